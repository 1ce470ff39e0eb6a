"""Crowds: what each client that is logged in and says nothing adds to the memory of a server."""

import sys

WARM_CLIENTS = 16
WARM_SECONDS = 1


def measure(server, crowd, load, seconds):
    """KiB that each client took, at the end of `seconds` in which all were there."""
    # What came before has left memory that a crowd would find free, so it meets a new server; and
    # what a server grows to with its first sessions is not the crowd's.
    server.stop()
    server.start()
    common = ["--user", crowd.mail.pattern, *crowd.arguments]
    load.run(server, "session", *common, "--users", WARM_CLIENTS, "-c", WARM_CLIENTS, "--seconds",
             WARM_SECONDS, "--warmup", 0, tls=crowd.tls)
    report = load.run(server, "idle", *common, "--users", crowd.mail.users, "-c", crowd.mail.users,
                      "--seconds", seconds, "--timeout-ms", 60_000, tls=crowd.tls)
    return report["crowd"]["per_connection_at_end"]["anon_bytes"] / 1024


def measure_all(servers, crowds, load, options):
    memory = {}
    for turn in range(options.rounds):
        for crowd in crowds:
            for server in servers:
                kib = measure(server, crowd, load, options.seconds)
                memory.setdefault((crowd, server.name), []).append(kib)
                print(f"round {turn + 1}: {crowd.title}: {server.name} {kib:.2f} KiB each",
                      file=sys.stderr, flush=True)
    return memory
