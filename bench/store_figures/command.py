"""What bench/store, bench/tenants, bench/logins and bench/pressure have in common: arguments, the
circumstances of a measurement, the tables that they write."""

import argparse
import os
import shutil
import signal
import sys
import tempfile

import network
import rows
import table
from cells import PASSWORD
from dovecot import Dovecot
from harness import Failed, Load, core_set, find_binary
from lab import Lab, say

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RESULTS = f"{ROOT}/bench/RESULTS.md"


def parse_arguments(description, parts, seconds):
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=f"{', '.join(parts)} ({', '.join(parts_by_default(parts))})")
    parser.add_argument("--build", default=f"{ROOT}/build/release", metavar="FOLDER",
                        help="where poplar, poplar-load and poplar-floor were built")
    parser.add_argument("--smoke", action="store_true", help="a minute at most; errors only")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (3)")
    parser.add_argument("--seconds", type=float, default=seconds,
                        help=f"of each measurement ({seconds})")
    parser.add_argument("--warmup", type=float, default=1, help="seconds before each (1)")
    parser.add_argument("--server-cores", default="0", help="such as 0 or 0,1")
    parser.add_argument("--client-cores", default="1", help="such as 1 or 2,3")
    parser.add_argument("--no-write", action="store_true", help="leave bench/RESULTS.md as it is")
    parser.add_argument("--directory", default=None,
                        help="on the disk to measure; must not exist; some 20 GB")
    parser.add_argument("--keep", action="store_true", help="do not remove that directory")
    for part in parts.values():
        getattr(part, "add_arguments", lambda _: None)(parser)
    options = parser.parse_args()
    unknown = set(options.parts) - set(parts)
    if unknown:
        parser.error(f"there is no part {sorted(unknown)[0]}")
    return options


def make_lab(options, directory):
    cores = (None, None)
    if not options.smoke:
        cores = (core_set(options.server_cores), core_set(options.client_cores))
        network.set_up()
    return Lab(directory=directory, build=options.build,
               poplar=find_binary(options.build, "poplar"),
               floor=find_binary(options.build, "poplar-floor"),
               load=Load(find_binary(options.build, "poplar-load"), cores[1], PASSWORD),
               server_cores=cores[0], client_cores=cores[1], rounds=options.rounds,
               seconds=options.seconds, warmup=options.warmup, smoke=options.smoke,
               options=options)


def parts_by_default(parts):
    """Some take so long that they are measured only when they are named."""
    return [name for name, part in parts.items() if not getattr(part, "BY_NAME_ONLY", False)]


def tables_of(name, parts, one_table):
    """The parts of each table, by the name of its block."""
    if one_table:
        return {name: list(parts.values())}
    return {f"{name} {part_name}": [part] for part_name, part in parts.items()}


def measure(name, tables, options, directory):
    lab = make_lab(options, directory)
    missed = []
    for block, members in tables.items():
        load_average = os.getloadavg()[0]
        measured = [row for part in members for row in measure_part(part, lab)]
        if options.smoke:
            continue
        versions = ["poplar " + table.commit(ROOT)]
        if any(map(needs_dovecot, members)):
            versions.append(Dovecot.version())
        text = rows.render(measured) + "\n\n" + "\n".join(table.circumstances(
            ROOT, versions, as_shown(options, members), network.CONGESTION, load_average))
        print(f"{members[0].TITLE if len(members) == 1 else block}\n\n{text}\n", flush=True)
        if not options.no_write:
            table.write_block(RESULTS, text, block, f"bench/{name}")
        missed += rows.missed(measured)
    for title in missed:
        say(f"{name}: missed: {title}")
    return 1 if missed else 0


def measure_part(part, lab):
    """Its rows; what it left in the lab's directory goes."""
    say(f"== {part.TITLE}")
    measured = list(part.measure(lab))
    for leftover in os.listdir(lab.directory):
        shutil.rmtree(f"{lab.directory}/{leftover}", ignore_errors=True)
    return measured


def as_shown(options, parts):
    """A part may have cores of its own, or turns, in words."""
    shown = argparse.Namespace(**vars(options))
    for part in parts:
        vars(shown).update(getattr(part, "SHOWN", {}))
    return shown


def needs_dovecot(part):
    return getattr(part, "NEEDS_DOVECOT", False)


def main(name, description, parts, one_table=False, seconds=5):
    """`parts` by name: each has a TITLE and measure(lab), which gives rows; it may have BY_NAME_ONLY,
    SHOWN and add_arguments(parser). `one_table`: the rows of all are one table, which is written when none
    was left out. `seconds`: of each measurement."""
    options = parse_arguments(description, parts, seconds)
    unnamed = parts if options.smoke else parts_by_default(parts)
    chosen = {part: parts[part] for part in options.parts or unnamed}
    if one_table and len(chosen) < len(parts):
        options.no_write = True
    if options.smoke:
        say(table.SMOKE)
        options.rounds, options.seconds, options.warmup = 1, 0.3, 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped
    directory = options.directory
    try:
        if not options.smoke:
            if os.geteuid() != 0:
                raise Failed("run it as root: it makes a network namespace, and Dovecot needs it")
            if any(map(needs_dovecot, chosen.values())) and not Dovecot.available():
                raise Failed("Dovecot is missing: core/install-packages bench/packages.txt")
            network.enter()
        if directory:
            os.makedirs(directory)
        else:
            directory = tempfile.mkdtemp(prefix=f"poplar-{name}-")
        os.chmod(directory, 0o711)  # Dovecot's workers are other users
        return measure(name, tables_of(name, chosen, one_table), options, directory)
    except (Failed, ValueError, OSError) as fault:
        say(f"{name}: {fault}")
        return 1
    finally:
        if directory and not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
