"""The table: medians of what was measured, the machine it was measured on, and its place in a
document."""

import os
import platform
import statistics
import subprocess
import time


def markers(name, program):
    return f"<!-- {name}:begin ({program} writes this block) -->", f"<!-- {name}:end -->"


def cpu_us(reports):
    return [report["server_cpu"]["us_per_operation"] for report in reports]


def figure(value):
    """Three digits are all that a run of seconds can know."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def rate(reports):
    return statistics.median(sum(series["per_second"] for series in report["operations"].values())
                             for report in reports)


def ratio(results, cell):
    """Poplar's CPU time over Dovecot's, or None when one was not measured."""
    ours, theirs = results.get((cell, "Poplar")), results.get((cell, "Dovecot"))
    if not ours or not theirs:
        return None
    return statistics.median(cpu_us(ours)) / statistics.median(cpu_us(theirs))


def rows(results, cells, names):
    head = ["server CPU per operation, µs: median (least to most)", *names]
    if len(names) == 2:
        head += ["ratio", "target"]
    head += [f"{name} per s" for name in names]
    yield head
    for cell in cells:
        row = [cell.title]
        for name in names:
            values = cpu_us(results[cell, name])
            row.append(f"{figure(statistics.median(values))} "
                       f"({figure(min(values))} to {figure(max(values))})")
        if len(names) == 2:
            share = ratio(results, cell)
            row.append(f"1 / {1 / share:.1f}")
            row.append("" if cell.target is None else
                       f"1 / {1 / cell.target:.0f}: {'met' if share <= cell.target else 'MISSED'}")
        row += [f"{rate(results[cell, name]):,.0f}" for name in names]
        yield row


def markdown(lines):
    head, *body = list(lines)
    out = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    out += ["| " + " | ".join(row) + " |" for row in body]
    return "\n".join(out)


def cpu_model():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def commit(root):
    def git(*arguments):
        return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True,
                              check=False).stdout.strip()
    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + changed


def circumstances(root, versions, options, congestion, load_average):
    return [
        f"- {time.strftime('%Y-%m-%d')}, commit {commit(root)}; {', '.join(versions)}",
        f"- {os.cpu_count()} × {cpu_model()}, Linux {platform.release()}",
        f"- servers on core {options.server_cores}, poplar-load on core {options.client_cores}, "
        f"loopback, congestion control {congestion}",
        f"- {options.rounds} rounds in turns, {options.seconds:g} s each after "
        f"{options.warmup:g} s of warming up; load average before: {load_average:.1f}",
    ]


def write_block(path, text, name="compare", program="bench/compare"):
    """Replaces what stands between the markers of `name`."""
    first, last = markers(name, program)
    with open(path, encoding="utf-8") as file:
        document = file.read()
    before, begin, rest = document.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{path} has no block between {first} and {last}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{first}\n\n{text}\n\n{last}{after}")
