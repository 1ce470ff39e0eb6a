"""Poplar as a server to measure: as `poplar init` makes it, with ports and cores of its own."""

import crypt
import os
import secrets
import sqlite3
import subprocess
import time

from harness import Failed, Server, free_ports, wait_for_ports

DOMAIN = "load.test"
TOOL_SECONDS_MAX = 60
DATABASE_CACHE_KIB = 1 << 18  # accounts are random: without it, each insert is a page of its own
# The cheapest that is taken, where what is measured is not the hash.
HASH_SETTING = "$5$rounds=1000$benchstore"

POP3_SETTINGS = "connections_per_address_max = 20000"
# What differs from the defaults. The log stays as it is; it goes to a file.
CONFIG = """
[server]
workers = {workers}
[pop3]
listen = [{pop3}]
{pop3_settings}
[pop3s]
listen = ["127.0.0.1:{pop3s}"]
[lmtp]
listen = ["127.0.0.1:{lmtp}"]
[http]
listen = "127.0.0.1:{http}"
"""


class Poplar(Server):
    name = "Poplar"

    def __init__(self, directory, binary, settings="", pop3_settings=POP3_SETTINGS,
                 pop3_hosts=("127.0.0.1",), hash_setting=HASH_SETTING, **kwargs):
        super().__init__(directory, **kwargs)
        self.binary = binary
        self.settings = settings  # further sections of poplar.toml
        self.pop3_settings = pop3_settings
        self.pop3_hosts = pop3_hosts
        self.hash_setting = hash_setting  # of crypt(3), for users that are inserted
        self.config = f"{directory}/home/poplar.toml"
        self.pop3_port, self.pop3s_port, self.lmtp_port, self.http_port = free_ports(4)

    def tool(self, *arguments, text=None):
        done = subprocess.run([self.binary, *arguments], input=text, capture_output=True,
                              text=True, timeout=TOOL_SECONDS_MAX, check=False)
        if done.returncode != 0:
            raise Failed(f"poplar {' '.join(arguments)} failed ({done.returncode}):\n"
                         f"{done.stdout}{done.stderr}")
        return done.stdout

    def prepare(self, users, password, crowd=()):
        """`crowd`: users so many that they are written into the database at once."""
        self.tool("init", f"{self.directory}/home")
        workers = len(self.cores) if self.cores else 0
        with open(self.config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(
                workers=workers, pop3=", ".join(f'"{host}:{self.pop3_port}"' for host in self.pop3_hosts),
                pop3_settings=self.pop3_settings, pop3s=self.pop3s_port, lmtp=self.lmtp_port,
                http=self.http_port) + self.settings)
        self.tool("tenant", "add", "load", "--domain", DOMAIN, "--config", self.config)
        self.add_users(users, password)
        self.insert_users(crowd, password)

    def add_users(self, users, password):
        for user in users:
            self.tool("user", "add", user, "--password-stdin", "--weak-password", "--config", self.config,
                      text=password + "\n")

    def insert_users(self, users, password):
        """Into the database at once, all with one hash."""
        now = int(time.time())
        hashed = crypt.crypt(password, self.hash_setting)
        database = sqlite3.connect(f"{self.directory}/home/users.db")
        database.execute(f"PRAGMA cache_size = -{DATABASE_CACHE_KIB}")
        try:
            with database:
                tenants = dict(database.execute("SELECT name, tenant FROM domains"))
                database.executemany(
                    "INSERT INTO users (account, tenant, address, address_key, domain, hash,"
                    " created_s, password_changed_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    ((secrets.token_hex(16), tenants[domain], user, user, domain, hashed, now, now)
                     for user, domain in ((user, user.partition("@")[2]) for user in users)))
        finally:
            database.close()

    def start(self):
        self.spawn([self.binary, "serve", "--config", self.config])
        wait_for_ports(self, [self.pop3_port, self.pop3s_port, self.lmtp_port])

    def version(self):
        return self.tool("--version").split("\n")[0].strip()

    @staticmethod
    def available(binary):
        return os.access(binary, os.X_OK)
