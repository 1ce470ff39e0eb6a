"""What bench/store can compute wrongly: ratios and their targets, sums of metrics, its tables."""

import collections
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [f"{ROOT}/bench/side_by_side", f"{ROOT}/bench/store_figures"]

# pylint: disable=wrong-import-position
import churn
import crash
import deliveries
import maildrops
import rows
import table
from harness import Failed
from server import since, sum_metrics


def report(per_second, cpu):
    return {"operations": {"deliver": {"per_second": per_second}},
            "server_cpu": {"us_per_operation": cpu, "total_us": per_second * cpu},
            "seconds": 1, "client_cpu_seconds": 0.25}


class RowTest(unittest.TestCase):
    def test_a_target_is_met_on_its_own_side_only(self):
        self.assertTrue(rows.Row("", "", ratio=0.5, limit=0.5, at_least=True).met)
        self.assertFalse(rows.Row("", "", ratio=0.49, limit=0.5, at_least=True).met)
        self.assertTrue(rows.Row("", "", ratio=1.5, limit=1.5).met)
        self.assertFalse(rows.Row("", "", ratio=1.51, limit=1.5).met)
        self.assertIsNone(rows.Row("", "", ratio=1.51).met)

    def test_missed_names_those_that_missed(self):
        measured = [rows.Row("good", "", ratio=1, limit=2), rows.Row("bad", "", ratio=3, limit=2),
                    rows.Row("free", "", ratio=3)]
        self.assertEqual(rows.missed(measured), ["bad"])
        self.assertIn("| bad |  |  | 3.00 | at most 2: MISSED |", rows.render(measured))

    def test_nothing_to_compare_with_is_a_fault(self):
        with self.assertRaises(ValueError):
            rows.quotient(1, 0, "floor")


class MetricsTest(unittest.TestCase):
    def test_labels_are_summed(self):
        text = "# HELP a x\na{p=\"0\"} 1\na{p=\"1\"} 2.5\nb 4\na_sum 7\n"
        self.assertEqual(sum_metrics(text), {"a": 3.5, "b": 4, "a_sum": 7})

    def test_growth_of_what_was_not_there(self):
        self.assertEqual(since({}, {"a": 3}, "a"), 3)
        self.assertEqual(since({"a": 1}, {"a": 3}, "a"), 2)


class PartsTest(unittest.TestCase):
    def test_deliveries_are_held_against_the_loop_and_the_best_dovecot(self):
        results = {(deliveries.OURS, 16): [report(900, 40), report(1000, 60), report(5000, 50)],
                   ("floor", 16): [{"per_second": 2000, "records": 4000, "seconds": 2,
                                    "cpu_seconds": 0.5}],
                   ("Dovecot-mdbox", 16): [report(50, 2000)],
                   ("Dovecot-maildir", 16): [report(100, 3000)],
                   ("Dovecot-maildir", 1): [report(700, 3000)]}
        loop, loop_cpu, dovecot, cpu, share = deliveries.rows_of(results, 16)
        self.assertEqual((loop.ratio, loop.met), (0.5, True))
        self.assertEqual((loop_cpu.value, loop_cpu.beside), ("125.0 µs", "25%"))
        self.assertEqual((dovecot.ratio, dovecot.met), (10, True))
        self.assertIn("maildir", dovecot.title)
        self.assertEqual((cpu.ratio, cpu.met), (50, None))
        self.assertEqual((share.value, share.beside), ("6%", "25%"))

    def test_growth_is_beside_the_smallest(self):
        points = [{"maildrops": count, "start_seconds": 1, "start_read_bytes": 1 << 20,
                   "index_bytes": 8 << 20, "deliver_us": us, "login_us": us,
                   "memory_bytes": us << 20, "list_cache_bytes": 64 << 20}
                  for count, us in ((10, 10), (100, 14), (1000, 16))]
        killed = {"users": 10, "seconds": 2, "per_second": 5, "records": 7, "octets": 3 << 20}
        measured = list(maildrops.rows_of(points, [killed], 70))
        self.assertEqual([row.ratio for row in measured[:6]], [1.4, 1.6] * 3)
        self.assertEqual([row.met for row in measured[:6]], [True, False] * 3)
        self.assertEqual(measured[6].ratio, 1)  # the budget of the lists
        self.assertEqual(measured[7].ratio, 0.125)  # a start reads that much of the index
        self.assertIn("1,000 maildrops and 70 large messages", measured[7].title)
        self.assertEqual(measured[7].beside, "8 MiB of indexes; 1 MiB with 10")
        self.assertEqual((measured[-1].ratio, measured[-1].met), (2, True))
        self.assertIn("at 5 deliveries a second; 7 records, 3 MiB of log", measured[-1].beside)

    def test_disk_use_is_judged_when_it_has_settled(self):
        commands = ("deliver", "login", "stat", "uidl", "list", "top", "list_one", "retr", "dele",
                    "quit")
        p99 = {command: {"p99_us": 1000} for command in commands}
        slow = {command: {"p99_us": 1000 * (number + 1)} for number, command in enumerate(commands)}
        shares = [(900, 100)] * 4 + [(140, 100)] * 2
        grown = collections.Counter({"poplar_store_delivered_bytes_total": 100,
                                     "poplar_store_log_bytes_total": 150, churn.DISK_WRITTEN: 300})
        measured = list(churn.rows_of([{"operations": slow}], [{"operations": p99}], shares, grown,
                                      64 << 20, 0))
        self.assertEqual(measured[0].ratio, 1.4)
        self.assertEqual([row.ratio for row in measured[1:11]], list(range(1, 11)))
        self.assertEqual([row.met for row in measured[1:11]], [True] * 2 + [False] * 8)
        for row, name in zip(measured[4:8], ("UIDL", "LIST", "TOP n 0", "LIST n")):
            self.assertIn(f"p99 of {name} while", row.title)
        self.assertEqual((measured[11].value, measured[11].beside), ("64 MiB", "0 MiB"))
        self.assertEqual([row.ratio for row in measured[12:]], [3, 0, 1.5, 0, 1.5])

    def test_one_rests_while_the_other_compacts(self):
        read, moved = churn.COMPACTION_WORK
        self.assertEqual(churn.compaction_bytes({read: 5, moved: 3, "other": 9}), 8)
        churn.check_one_rests(1000, 0)
        churn.check_one_rests(1000, 10)
        for busy, resting in ((1000, 11), (1000, 1000), (0, 0), (0, 5)):
            with self.subTest(busy=busy, resting=resting), self.assertRaises(Failed):
                churn.check_one_rests(busy, resting)


class BusyServer:
    """As one looks from outside: deliveries, and a checkpoint whenever a hundred are pending."""

    def __init__(self, step):
        self.step, self.deliveries, self.killed = step, 0, False

    def metrics(self):
        self.deliveries += self.step
        return {crash.PENDING: self.deliveries % 100, crash.CHECKPOINTS: self.deliveries // 100,
                crash.DELIVERIES: self.deliveries}

    def kill(self):
        self.killed = True


class Load:
    def __init__(self, exit_code=None):
        self.exit_code = exit_code

    def poll(self):
        return self.exit_code


class CrashTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(setattr, crash, "POLL_S", crash.POLL_S)
        self.addCleanup(setattr, crash, "WATCH_SECONDS_MAX", crash.WATCH_SECONDS_MAX)
        crash.POLL_S, crash.WATCH_SECONDS_MAX = 0, 0.2

    def test_it_comes_late_after_a_checkpoint(self):
        server = BusyServer(7)
        killed = crash.kill_late(server, Load(), 3)
        self.assertTrue(server.killed)
        self.assertGreaterEqual(server.deliveries, 300)
        self.assertGreaterEqual(killed["pending"], 85)
        self.assertGreater(killed["per_second"], 0)

    def test_without_deliveries_there_is_none(self):
        server = BusyServer(0)
        with self.assertRaises(Failed):
            crash.kill_late(server, Load(), 0)
        self.assertFalse(server.killed)

    def test_a_load_that_ended_is_a_fault(self):
        with self.assertRaises(Failed):
            crash.kill_late(BusyServer(7), Load(0), 3)

    def test_what_was_replayed_is_what_the_server_says(self):
        line = "INFO store_open path=x partitions=2 records_replayed=12 octets_replayed=49152 x=0\n"
        self.assertEqual(crash.replayed("other\n" + line), {"records": 12, "octets": 49152})
        with self.assertRaises(Failed):
            crash.replayed("other\n")


class BlockTest(unittest.TestCase):
    def test_only_the_named_block_is_replaced(self):
        first, last = table.markers("store memory", "bench/store")
        other, other_last = table.markers("compare", "bench/compare")
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/page.md"
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"a\n{other}\nold\n{other_last}\n{first}\nold\n{last}\nz\n")
            table.write_block(path, "new", "store memory", "bench/store")
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), f"a\n{other}\nold\n{other_last}\n"
                                              f"{first}\n\nnew\n\n{last}\nz\n")
            with self.assertRaises(ValueError):
                table.write_block(path, "new", "store none", "bench/store")


if __name__ == "__main__":
    unittest.main()
