"""Whom a server knows: users in a file, their passwords in clear, so that neither a hash nor whether it is
remembered covers what is measured."""

import contextlib
import os

from cells import PASSWORD

SETTINGS = """
[auth]
chain = ["file"]
[backend.file]
driver = "passwd-file"
file = "{path}"
weak_schemes = true
"""


@contextlib.contextmanager
def server_for(lab, name, users, settings="", **more):
    """A new server that runs; ended when the block is left. `settings`: further sections; `more`: as of Poplar."""
    folder = f"{lab.directory}/{name}"
    os.makedirs(folder)
    path = f"{folder}/users"
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in users)
    with lab.server(name, settings=SETTINGS.format(path=path) + settings, **more) as server:
        server.start_counting()
        yield server
