"""What bench/compare can compute wrongly: shares and their targets, the rows for README.md, which rows
a run has, the pictures' data, what a client of a crowd takes."""

import contextlib
import importlib.machinery
import importlib.util
import io
import math
import os
import sys
import unittest
from types import SimpleNamespace

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, f"{ROOT}/bench/side_by_side")

# pylint: disable=wrong-import-position
import idle_memory
import plan
import plot
import table
from cells import CELLS, CORPUS, CROWDS, FETCHED, IDLE, SMALL, Cell, Crowd

NAMES = ["Poplar", "Dovecot", "nginx"]
LINES = ["- 2026-11-28, commit abc; poplar 1", "- 2 × a CPU, Linux 6", "- the rest"]


def reports(*cpu_us, **notes):
    return [{"server_cpu": {"us_per_operation": us}, "notes": notes,
             "operations": {"retr": {"per_second": 1e6 / us}}} for us in cpu_us]


def cell(title="RETR 4 KB; 4 clients", **more):
    return Cell(title, "retr", SMALL, 4, **more)


def results_of(one, poplar, dovecot, nginx=None):
    results = {(one, "Poplar"): reports(*poplar), (one, "Dovecot"): reports(*dovecot)}
    if nginx:
        results[one, "nginx"] = reports(*nginx)
    return results


class RowsTest(unittest.TestCase):
    def test_medians_ranges_shares_and_targets(self):
        one = cell(target=1 / 5, over_floor=True, floor_target=1.0)
        results = results_of(one, (50, 100, 5000), (400, 500, 600), (125,))
        head, line = table.rows(results, [one], NAMES)
        self.assertEqual(len(head), len(line))
        self.assertEqual(line, ["RETR 4 KB; 4 clients", "100 (50.0 to 5,000)", "500 (400 to 600)",
                                "1 / 5.0", "1 / 5: met", "125 (125 to 125)", "0.80: met",
                                "10,000", "2,000", "8,000"])

    def test_a_row_that_is_not_over_the_floor(self):
        one = cell()
        head, line = table.rows(results_of(one, (200,), (100,)), [one], NAMES)
        self.assertEqual(len(head), len(line))
        self.assertEqual(line[3:7], ["2.0 / 1", "", "", ""])
        self.assertEqual(line[-1], "")

    def test_without_the_others(self):
        one = cell(target=0.2)
        head, line = table.rows({(one, "Poplar"): reports(8)}, [one], ["Poplar"])
        self.assertEqual(len(head), len(line))
        self.assertEqual(line, [one.title, "8.00 (8.00 to 8.00)", "125,000"])

    def test_a_markdown_table(self):
        self.assertEqual(table.markdown([["a", "b"], ["1", "2"]]),
                         "| a | b |\n|---|--:|\n| 1 | 2 |")


class MissedTest(unittest.TestCase):
    def test_each_target_can_be_missed(self):
        of_dovecot = cell("a", target=0.2)
        of_nginx = cell("b", over_floor=True, floor_target=1.0)
        free = cell("c")
        all_cells = [of_dovecot, of_nginx, free]

        def missed(poplar):
            results = {}
            for one in all_cells:
                results |= results_of(one, (poplar,), (500,), (90,))
            return table.missed(results, all_cells, {}, [])

        self.assertEqual(missed(90), [])
        self.assertEqual(missed(91), ["b"])
        self.assertEqual(missed(100), ["b"])  # A target is kept up to it.
        self.assertEqual(missed(101), ["a", "b"])

    def test_a_crowd_s(self):
        crowd = Crowd("idle", IDLE, target_kib=4)
        for kib, titles in ((4, []), (4.01, ["idle"])):
            memory = {(crowd, "Poplar"): [0, kib, 99], (crowd, "Dovecot"): [115]}
            self.assertEqual(table.missed({}, [], memory, [crowd]), titles)


class CrowdRowsTest(unittest.TestCase):
    def test_beside_dovecot(self):
        crowd = Crowd("idle", IDLE, target_kib=4)
        memory = {(crowd, "Poplar"): [2, 2.5, 3], (crowd, "Dovecot"): [100, 125, 150]}
        head, line = table.crowd_rows(memory, [crowd], NAMES)
        self.assertEqual(len(head), len(line))
        self.assertEqual(line, ["idle", "2.50 (2.00 to 3.00)", "125 (100 to 150)", "1 / 50.0",
                                "at most 4 KiB: met"])

    def test_alone(self):
        crowd = Crowd("idle", IDLE, target_kib=4)
        head, line = table.crowd_rows({(crowd, "Poplar"): [5]}, [crowd], ["Poplar", "nginx"])
        self.assertEqual(len(head), len(line))
        self.assertEqual(line[-1], "at most 4 KiB: MISSED")


class CrowdTest(unittest.TestCase):
    def test_it_meets_a_new_server_that_has_served_a_few(self):
        done = []
        server = SimpleNamespace(name="Poplar", stop=lambda: done.append("stop"),
                                 start=lambda: done.append("start"))

        def run(_, profile, *arguments, tls):
            done.append(profile)
            self.assertIn("--tls-version", arguments)
            self.assertTrue(tls)
            return {"crowd": {"per_connection": {"anon_bytes": 9999},
                              "per_connection_at_end": {"anon_bytes": 2560}}}

        secure = Crowd("idle", IDLE, target_kib=20, arguments=("--tls-version", "1.3"), tls=True)
        with contextlib.redirect_stderr(io.StringIO()):
            memory = idle_memory.measure_all([server], [secure], SimpleNamespace(run=run),
                                        SimpleNamespace(rounds=2, seconds=4))
        self.assertEqual(memory, {(secure, "Poplar"): [2.5, 2.5]})
        self.assertEqual(done, ["stop", "start", "session", "idle"] * 2)


class HeadlineTest(unittest.TestCase):
    def test_the_rows_that_have_one_by_their_medians(self):
        retr = cell(over_floor=True, headline="RETR of 4 KB")
        session = cell("session", headline="a session")
        other = cell("other")
        idle = Crowd("idle", IDLE, target_kib=4, headline="memory of an idle client")
        results = (results_of(retr, (10, 20, 90), (100,), (16,)) | results_of(session, (75,), (1500,))
                   | results_of(other, (1,), (1,)))
        memory = {(idle, "Poplar"): [2, 2.5, 3], (idle, "Dovecot"): [125]}
        self.assertEqual(
            table.headline(results, [session, other, retr], memory, [idle], LINES),
            "| server CPU an operation, or memory | Poplar | Dovecot | of Dovecot | nginx | of nginx |\n"
            "|---|--:|--:|--:|--:|--:|\n"
            "| a session | 75.0 µs | 1,500 µs | 1 / 20.0 |  |  |\n"
            "| RETR of 4 KB | 20.0 µs | 100 µs | 1 / 5.0 | 16.0 µs | 1.25 |\n"
            "| memory of an idle client | 2.50 KiB | 125 KiB | 1 / 50.0 |  |  |\n\n"
            "Targets missed: none.\n\n2026-11-28, commit abc; poplar 1; 2 × a CPU, Linux 6.")

    def test_the_targets_that_were_missed_by_name(self):
        rare = cell("a rare row; 4 clients", target=0.2)
        usual = cell("a usual row", target=0.2, headline="usual")
        idle = Crowd("idle", IDLE, target_kib=4)
        text = table.headline(results_of(rare, (30,), (100,)) | results_of(usual, (20,), (100,)),
                              [rare, usual], {(idle, "Poplar"): [5]}, [idle], LINES)
        self.assertIn("\nTargets missed: a rare row; idle.\n", text)

    def test_the_few_are_not_the_best_ones(self):
        """Somebody who reads nothing else sees the least ratios, too."""
        of = {one.title: one.headline for one in [*CELLS, *CROWDS]}
        for part in ("handshake", "over TLS 1.3", "20,000", "idle"):
            titles = [title for title in of if part in title]
            self.assertTrue(titles and all(of[title] for title in titles), part)

    def test_the_pages_have_their_blocks(self):
        first, last = table.markers("compare", "bench/compare")
        for page in ("README.md", "bench/RESULTS.md"):
            with open(f"{ROOT}/{page}", encoding="utf-8") as file:
                text = file.read()
            self.assertEqual((text.count(first), text.count(last)), (1, 1), page)

    def test_readme_and_results_say_the_same(self):
        """Both are written at once; by hand, one could be forgotten."""
        first, last = table.markers("compare", "bench/compare")
        blocks = []
        for page in ("README.md", "bench/RESULTS.md"):
            with open(f"{ROOT}/{page}", encoding="utf-8") as file:
                blocks.append(file.read().partition(first)[2].partition(last)[0])
        headline, results = ([[word.strip() for word in line.split("|")[1:-1]]
                              for line in block.splitlines() if line.startswith("| ")]
                             for block in blocks)
        figures = {row[0]: row for row in results}
        of = {one.headline: one.title for one in [*CELLS, *CROWDS] if one.headline}
        shown = [row[0] for row in headline[1:]]
        self.assertTrue(shown)
        self.assertEqual(shown, [name for name in of if name in shown])  # tables of earlier runs have fewer
        for row in headline[1:]:
            full = figures[of[row[0]]]
            unit = "KiB" if of[row[0]] in {crowd.title for crowd in CROWDS} else "µs"
            self.assertEqual(row[1:4], [f"{full[1].split(' ')[0]} {unit}",
                                        f"{full[2].split(' ')[0]} {unit}", full[3]])


class ResumptionsTest(unittest.TestCase):
    def test_their_share_is_said(self):
        one = cell(arguments=("--tls-resume",))
        results = {(one, "Poplar"): reports(1, tls_resumed=999, tls_full=1),
                   (one, "Dovecot"): reports(1, tls_resumed=1, tls_full=1)}
        self.assertEqual(table.resumptions(results, [one, cell()], NAMES),
                         ["- resumed, of the handshakes with a ticket: Poplar 99.9%, Dovecot 50.0%"])
        self.assertEqual(table.resumptions(results, [cell()], NAMES), [])


class PlanTest(unittest.TestCase):
    def test_all(self):
        whole = plan.make_plan()
        self.assertEqual((whole.corpus, whole.cells, whole.crowds), (CORPUS, CELLS, CROWDS))
        self.assertEqual(whole.idle, [IDLE])
        for one in whole.cells:
            self.assertEqual(one.over_floor, one.mail in whole.floor_corpus and one.profile == "retr")

    def test_titles_are_unique(self):
        titles = [one.title for one in [*CELLS, *CROWDS]]
        self.assertEqual(len(titles), len(set(titles)))

    def test_some_rows_need_some_mail(self):
        some = plan.make_plan(only="20,000")
        self.assertEqual([one.profile for one in some.cells], ["poll"])
        self.assertEqual(some.corpus, [some.cells[0].mail])
        self.assertEqual(some.crowds, [])
        self.assertEqual(some.floor_corpus, [])
        self.assertEqual(plan.make_plan(only="idle").corpus, [])

    def test_smoke_is_small_and_fits(self):
        smoke = plan.make_plan(smoke=True)
        self.assertEqual([one.title for one in smoke.cells], [one.title for one in CELLS])
        for one in smoke.cells:
            self.assertIn(one.mail, smoke.corpus)
            self.assertLessEqual(one.mail.messages, plan.SMOKE_MESSAGES)
            self.assertLessEqual(one.connections, one.mail.users)
        self.assertEqual([crowd.mail.users for crowd in smoke.crowds],
                         [plan.SMOKE_CROWD] * len(CROWDS))
        self.assertEqual(smoke.crowds[0].title, "100 idle clients")


class SmokeTest(unittest.TestCase):
    def test_it_shows_no_circumstances_and_no_targets(self):
        loader = importlib.machinery.SourceFileLoader("compare", f"{ROOT}/bench/compare")
        compare = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("compare", loader))
        loader.exec_module(compare)
        one = cell(target=1 / 5)
        server = SimpleNamespace(name="Poplar", version=lambda: "poplar 1")

        def shown(smoke):
            options = SimpleNamespace(smoke=smoke, no_write=True, only="", server_cores="0",
                                      client_cores="1", rounds=1, seconds=1, warmup=0)
            with contextlib.redirect_stdout(io.StringIO()) as output:
                compare.report([server], plan.Plan([], [one], []), {(one, "Poplar"): reports(8)}, {},
                               options, 0)
            return output.getvalue()

        self.assertEqual(shown(smoke=True), "")
        self.assertIn("servers on core 0", shown(smoke=False))


class CorpusTest(unittest.TestCase):
    def test_what_is_fetched_is_three_megabytes_a_maildrop(self):
        least, most = map(int, FETCHED.octets.split("-"))
        mean = (most - least) / math.log(most / least)  # log-uniform
        self.assertAlmostEqual(FETCHED.messages * mean / 3e6, 1, places=1)
        fetch, = (one for one in CELLS if one.profile == "fetch")
        self.assertEqual((fetch.mail, fetch.title), (FETCHED, "fetch of 50 messages, 3 MB; 4 clients"))


class PictureTest(unittest.TestCase):
    def test_a_server_that_was_not_measured_has_no_bar(self):
        script = plot.script_of("/x.svg", "a title", 'a "caption"', NAMES,
                                [["RETR", 1.5, 20, plot.ABSENT]])
        self.assertIn('"RETR" 1.5 20 NaN\nEND', script)
        self.assertIn(r'"a \"caption\""', script)
        self.assertIn('using 4:xtic(1) title "nginx"', script)


if __name__ == "__main__":
    unittest.main()
