"""What bench/pressure can compute wrongly: its ratios and costs, its groups, what its own clients say."""

import argparse
import io
import os
import socket
import ssl
import sys
import tempfile
import threading
import unittest
from types import SimpleNamespace
from unittest import mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [f"{ROOT}/bench/{folder}"
                for folder in ("side_by_side", "store_figures", "pressure_figures")]

# pylint: disable=wrong-import-position
import arrival_rates
import background
import bystanders
import cold
import command
import connections
import crowd
import shards
import slow_disk
import soak
import storm_client
import storms
import turns
from harness import Failed


def others(clients=200):
    one = object.__new__(bystanders.Bystanders)
    one.clients = clients
    one.per_second = {"session": 4000, "retr": 20000}
    return one


def turned(*counts):
    return {float(bound): count for bound, count in zip((1e-6, 2e-6, "inf"), counts)}


def noticed(session, retr, before=turned(0, 0, 0), after=turned(10, 10, 10)):
    return bystanders.Noticed({"session": session, "retr": retr}, (before, after))


class RowsTest(unittest.TestCase):
    def test_bystanders_are_held_against_a_quiet_server(self):
        session, retr, _ = others().rows("beside x", [noticed(us, 320) for us in (1500, 90_000, 9)],
                                         [noticed(1000, 200)])
        self.assertTrue(session.met)
        self.assertFalse(retr.met)
        self.assertEqual(retr.cells()[1:4], ["0.32 ms", "0.20 ms without", "1.60"])
        free, *_ = others().rows("beside x", [noticed(9, 9)], [noticed(1, 1)], limit=None)
        self.assertIsNone(free.met)

    def test_of_the_turns_only_those_of_the_time_count(self):
        long_before, as_long_after = turned(0, 5000, 5000), turned(998, 5999, 6000)
        *_, row = others().rows("x", [noticed(1, 1, long_before, as_long_after)] * 2, [noticed(1, 1)])
        self.assertEqual(row.cells()[1:3], ["at most 2 µs", "at most 1 µs without"])

    def test_turns_of_all_shards_are_added(self):
        name = turns.NAME
        self.assertEqual(turns.parse(f'{name}_bucket{{shard="0",le="1e-06"}} 3\n'
                                     f'{name}_bucket{{shard="1",le="1e-06"}} 4\n'
                                     f'{name}_bucket{{shard="0",le="+Inf"}} 5\n'
                                     f'{name}_sum{{shard="0"}} 1\nother_bucket{{le="1e-06"}} 9\n'),
                         {1e-6: 7, float("inf"): 5})

    def test_what_a_storm_costs_is_what_the_server_takes_for_it_alone(self):
        used_us = iter((100, 5_100))
        server = SimpleNamespace(cpu_us=lambda: next(used_us), pop3_port=1,
                                 metrics=lambda: {"poplar_connections_open": 0})
        lab = SimpleNamespace(smoke=True, rounds=1, seconds=0, run=lambda *_: {
            "server_cpu": {"us_per_operation": 40}})
        kind = storms.Kind("accepts", "a storm", 1, cost=storms.CONNECTION)
        storm = mock.MagicMock(counts={"connections": 250})
        storm.__enter__.return_value = storm
        with mock.patch.object(storms, "Storm", return_value=storm), \
             mock.patch("sys.stderr", io.StringIO()):
            storm_us, session_us, per_second = storms.costs_alone(lab, server, kind)
        self.assertEqual((storm_us, session_us), (20, 40))
        self.assertGreater(per_second, 250)

    def test_storms_have_bounds(self):
        kind = storms.Kind("accepts", "a storm", 1, cost=storms.CONNECTION)
        row = storms.cost_row(kind, 20, 40, 9_876)
        self.assertEqual(row.cells(), [
            "a storm, alone: server CPU for one connection of 9,876 a second", "20.0 µs",
            "40.0 µs for a session", "0.50", "at most 0.5: met"])
        self.assertFalse(storms.cost_row(kind, 21, 40, 1).met)
        with self.assertRaises(ValueError):
            storms.cost_row(kind, 1, 0, 1)

    def test_memory_of_a_storm_is_for_each_of_those_who_stay(self):
        self.assertTrue(storms.memory_row("x", 4096 * 100, 100, 4).met)
        self.assertFalse(storms.memory_row("x", 4097 * 100, 100, 4).met)
        self.assertTrue(storms.memory_row("x", 16 << 20, None, None).met)
        self.assertFalse(storms.memory_row("x", 17 << 20, None, None).met)

    def test_a_cold_disk_is_held_against_hot_mail_alone(self):
        def both(rate, p99_us, read, turned_since):
            return {"session": (rate, p99_us), "retr": (rate, p99_us), "read_bytes": read,
                    "turns": (turned(5, 5, 5), turned_since)}
        observed = (both(1000, 100, 0, turned(9, 9, 9)), both(900, 150, 0, turned(9, 9, 9)),
                    both(790, 200, 5 << 20, turned(6, 9, 9)))
        fetches = {"operations": {"retr": {"per_second": 150, "p50_us": 1000, "p99_us": 9000}}}
        rows = list(cold.rows_of(cold.LARGE, "a disk", observed, fetches))
        self.assertEqual([row.met for row in rows], [False, True, False, True, None, None])
        self.assertIn("beside fetches of 1 MB from a disk", rows[0].title)
        self.assertEqual(rows[4].cells()[1:3],
                         ["at most 2 µs", "at most 1 µs alone, 1 beside fetches of warm mail"])
        self.assertIn("5 MiB read", rows[-1].beside)

    def test_large_cold_mail_is_dropped_before_it_comes_again(self):
        for mail in cold.MAILS:
            again_seconds = mail.users * mail.messages / mail.per_second
            self.assertGreater(again_seconds, 10 * cold.DROP_SECONDS, mail.size)

    def test_what_is_in_memory_is_not_cold(self):
        lab, warm = SimpleNamespace(smoke=False), {"read_bytes": 1 << 20}
        with self.assertRaises(Failed):
            cold.check_cold(lab, {"read_bytes": 9 << 20}, warm)
        self.assertTrue(cold.check_cold(lab, {"read_bytes": 10 << 20}, warm))

    def test_two_shards_are_short_of_twice_the_rate_by_what_an_operation_costs_more(self):
        before, after = {"shard-0": 100, "shard-1": 100}, {"shard-0": 400, "shard-1": 200}
        self.assertEqual(shards.busiest_share(before, after), 0.75)
        with self.assertRaises(ValueError):
            shards.busiest_share(after, after)

    def test_shards_have_large_mail_and_long_lists(self):
        for smoke, messages in ((False, {50, 4, 20_000}), (True, {shards.SMOKE_MESSAGES})):
            filled = {}
            lab = SimpleNamespace(smoke=smoke, fill=lambda _, pattern, users, operations, *__, recipients=1: (
                filled.update({pattern: (users, recipients, operations)})))
            shards.fill(lab, None, 64)
            del filled[shards.PATTERN]
            self.assertEqual({operations for _, _, operations in filled.values()}, messages)
            self.assertTrue(all(users == recipients for users, recipients, _ in filled.values()))

    def test_a_soak_goes_by_medians_of_its_ends(self):
        self.assertEqual(soak.shape([1] + [5] * 9 + [7] * 10 + [90] + [7] * 69 + [9] * 10),
                         (7, 9, 90))
        self.assertEqual(soak.shape([3, 4]), (3, 4, 4))
        samples = [{"memory": 100 << 20, "descriptors": 10, "disk": 5 << 20}] * 10
        report = {"operations": {"retr": {"operations": 12, "per_second": 2, "p99_us": 1500}}}
        rows = list(soak.rows_of(samples, report, 3600))
        self.assertEqual([row.met for row in rows], [True, True, None, None])
        self.assertEqual(rows[3].cells()[:3], ["retr, without an error", "12",
                                               "2 a second; p99 1.5 ms"])

    def test_rates_are_held_against_dovecot_where_it_is(self):
        ours = {0.5: {"p50": 100, "p90": 200, "p99": 400, "per_second": 6000, "due_per_second": 6050}}
        theirs = {0.5: {"p50": 1000, "p90": 2000, "p99": 8000, "per_second": 300,
                        "due_per_second": 304}}
        row, = arrival_rates.rows_of(ours, theirs)
        self.assertEqual(row.cells()[1:4], ["0.10, 0.20, 0.40 ms at 6,000 a second",
                                            "1.00, 2.00, 8.00 ms at 300 a second of 304 that were due", "0.05"])
        row, = arrival_rates.rows_of(ours, {})
        self.assertEqual(row.cells()[2:4], ["", ""])


class CommandTest(unittest.TestCase):
    PARTS = {"quick": SimpleNamespace(), "soak": soak}

    def test_a_soak_is_measured_when_it_is_named(self):
        self.assertEqual(command.parts_by_default(self.PARTS), ["quick"])

    def test_a_part_may_have_arguments_of_its_own(self):
        with mock.patch("sys.argv", ["pressure", "soak", "--minutes", "2.5"]):
            options = command.parse_arguments("", self.PARTS, 5)
        self.assertEqual((options.parts, options.minutes), (["soak"], 2.5))
        self.assertIsInstance(options, argparse.Namespace)

    def test_a_part_may_say_which_cores_it_has(self):
        options = argparse.Namespace(server_cores="0", client_cores="1", seconds=5)
        self.assertEqual(vars(command.as_shown(options, [shards])),
                         {"seconds": 5, **shards.SHOWN})
        self.assertEqual(vars(command.as_shown(options, [soak])),
                         {"server_cores": "0", "client_cores": "1", "seconds": 5, "turns": "one run"})
        self.assertEqual(command.as_shown(options, [storms]), options)

    def test_each_part_has_its_block(self):
        with open(f"{ROOT}/bench/RESULTS.md", encoding="utf-8") as file:
            results = file.read()
        for part in ("crowd", "slow", "storms", "cold", "rate", "shards", "soak"):
            self.assertIn(f"<!-- pressure {part}:begin (bench/pressure writes this block) -->", results)


class CrowdTest(unittest.TestCase):
    def test_room_is_what_server_and_client_both_allow(self):
        server = SimpleNamespace(metrics=lambda: {"poplar_pop3_connections_max": 15_000})
        for own, room in ((20_000, 14_600), (1_000, 800)):
            with mock.patch("resource.getrlimit", return_value=(own, own)):
                self.assertEqual(crowd.room(server, 200), room)


class ConnectionsTest(unittest.TestCase):
    # Of the server 1 MiB and 4 KiB each, of the kernel 8 KiB each.
    SAMPLES = [(0, 7 << 20, 0, 0)] + [(count, (8 << 20) + (count << 12), (1 << 20) + 3 * (count << 12), 5)
                                      for count in (1 << 10, 1 << 12, 1 << 14)]

    def test_the_line_begins_and_rises_as_the_figures_do(self):
        self.assertEqual(connections.line([(1, 5), (2, 7), (3, 9)]), (3, 2))
        machine, first, *_, own, both = connections.rows_of("a machine", self.SAMPLES)
        self.assertEqual(machine.value, "16,384 connections")
        self.assertEqual(first.cells()[:3], ["1,024 idle sessions: memory of the server", "12 MiB",
                                             "5.00 KiB each; the kernel 8.00 KiB for both ends; the last 1,024 came in 5 s"])
        self.assertEqual((own.value, own.beside), ("8 MiB and 4.00 KiB each", "a million: 3.8 GiB"))
        self.assertEqual((both.value, both.beside), ("1 MiB and 12.00 KiB each", "a million: 11.4 GiB"))

    def test_no_more_than_there_are_descriptors(self):
        with mock.patch("resource.getrlimit", return_value=(21_000, 21_000)):
            self.assertEqual(connections.affordable(connections.STEPS)[-1], 20_000)
        with mock.patch("resource.getrlimit", return_value=(1 << 20, 1 << 20)), \
                mock.patch.object(connections, "memory", return_value=4 << 30):
            self.assertEqual(connections.affordable(connections.STEPS)[-1], 300_000)
        with mock.patch("resource.getrlimit", return_value=(900, 900)):
            self.assertEqual(connections.affordable(connections.STEPS), [400])


class DiskTest(unittest.TestCase):
    def test_a_throttle_wants_a_whole_disk(self):
        with tempfile.TemporaryDirectory() as folder:
            try:
                self.assertRegex(slow_disk.whole_disk(folder), r"^\d+:\d+$")
            except FileNotFoundError:
                self.skipTest("this folder is on no disk")

    def test_where_there_is_no_throttle_the_block_runs_without(self):
        server = SimpleNamespace(store="/", process=SimpleNamespace(pid=0))
        with mock.patch.object(slow_disk, "make_throttle", return_value=None), \
             slow_disk.throttled(server, 1) as slow:
            self.assertFalse(slow)

    def test_a_file_that_is_gone_is_dropped_already(self):
        cold.drop(["/nowhere/at/all"])


class ClientsTest(unittest.TestCase):
    def test_half_of_a_hello_is_no_hello(self):
        half = storm_client.half_hello_octets()
        self.assertEqual(half[:1], b"\x16")  # a handshake record,
        self.assertGreater(int.from_bytes(half[3:5]), len(half) - 5)  # of which more is to come
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_bio(incoming, outgoing, True)
        incoming.write(half)
        with self.assertRaises(ssl.SSLWantReadError):
            server.do_handshake()

    def test_a_wrong_reply_to_single_bytes_ends_it(self):
        self.assertEqual(self.log_in([b"+OK hello\r\n", b"+OK\r\n", b"+OK\r\n"]), 0)
        for replies in ([b"-ERR no\r\n"], [b"+OK hello\r\n", b"+OK\r\n+OK\r\n"],
                        [b"+OK hello\r\n", b"+O"]):
            self.assertEqual(self.log_in(replies), 1)

    @staticmethod
    def log_in(replies):
        """The exit code of the client whose server says so, one reply after each line."""
        def serve(listener):
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                for reply in replies:
                    connection.sendall(reply)
                    if b"\r\n" not in reply or not lines.readline():
                        return

        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = threading.Thread(target=serve, args=(listener,))
            server.start()
            over = SimpleNamespace(ready=lambda: None, ended=lambda: True)
            with mock.patch.object(storm_client, "Input", return_value=over), \
                 mock.patch("sys.stdout", io.StringIO()), mock.patch("sys.stderr", io.StringIO()):
                code = storm_client.main("bytes", listener.getsockname()[1], 1)
            server.join(10)
        return code

    def test_a_load_that_ends_too_early_or_fails_is_told(self):
        for script, complaint in (("exit 0", "ended too early"), ("sleep 0.3; exit 1", "failed")):
            load = self.load(script)
            with self.assertRaisesRegex(Failed, complaint), load:
                if complaint == "ended too early":
                    load.process.wait(10)

    def test_a_load_that_ends_well_is_reported(self):
        with self.load("sleep 0.3; echo '{\"profile\": \"idle\"}'") as load:
            pass
        self.assertEqual(load.report, {"profile": "idle"})

    @staticmethod
    def load(script):
        lab = SimpleNamespace(load=SimpleNamespace(binary="/bin/true", password="x"),
                              client_cores=None, smoke=False)
        server = SimpleNamespace(endpoint_arguments=lambda *_: [], state=lambda: "x runs",
                                 process=SimpleNamespace(pid=1), log_tail=lambda: "")
        load = background.Background(lab, server, "idle", "u{}@load.test", 1, 1, seconds=0)
        load.command = ["/bin/sh", "-c", script]
        return load

    def test_what_never_comes_true_is_told(self):
        with self.assertRaisesRegex(Failed, "a miracle: not within 0 s"):
            background.wait_until(lambda: False, 0, "a miracle")


if __name__ == "__main__":
    unittest.main()
