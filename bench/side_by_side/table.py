"""The tables: medians of what was measured, the machine it was measured on, and their place in a
document."""

import os
import platform
import statistics
import subprocess
import time

SMOKE = "A smoke run: all is small and short, on whatever core, and none of its figures says anything."


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


def share(results, cell, name):
    """Poplar's CPU time over that of the server `name`, or None when one was not measured."""
    ours, theirs = results.get((cell, "Poplar")), results.get((cell, name))
    if not ours or not theirs:
        return None
    return statistics.median(cpu_us(ours)) / statistics.median(cpu_us(theirs))


def spread(values):
    """The median, and the range of all."""
    return f"{figure(statistics.median(values))} ({figure(min(values))} to {figure(max(values))})"


def quotient(of_theirs):
    return f"1 / {1 / of_theirs:.1f}" if 0 < of_theirs <= 1 else f"{of_theirs:.1f} / 1"


def share_and_target(of_theirs, target):
    """The columns of a share of Dovecot's; `target` is the most that it may be, None: no target."""
    verdict = "" if target is None else (
        f"1 / {f'{1 / target:.1f}'.removesuffix('.0')}: {'met' if of_theirs <= target else 'MISSED'}")
    return [quotient(of_theirs), verdict]


def floor_columns(results, cell):
    if (cell, "nginx") not in results:
        return ["", ""]
    of_floor = share(results, cell, "nginx")
    verdict = "" if cell.floor_target is None else (
        ": met" if of_floor <= cell.floor_target else f", at most {cell.floor_target:g}: MISSED")
    return [spread(cpu_us(results[cell, "nginx"])), f"{of_floor:.2f}{verdict}"]


def cell_missed(results, cell):
    """Whether Poplar took more than a target allows."""
    return any(target is not None and share(results, cell, name) > target
               for name, target in (("Dovecot", cell.target), ("nginx", cell.floor_target)))


def crowd_missed(memory, crowd):
    return statistics.median(memory[crowd, "Poplar"]) > crowd.target_kib


def missed(results, cells, memory, crowds):
    """Titles of the rows whose targets were missed."""
    return [cell.title for cell in cells if cell_missed(results, cell)] + [
        crowd.title for crowd in crowds if crowd_missed(memory, crowd)]


def mail_servers(names):
    """nginx is none: where it measures, it is the floor."""
    return [name for name in names if name != "nginx"]


def rows(results, cells, names):
    """`names`: of the servers that were measured, Poplar first."""
    head = ["server CPU per operation, µs: median (least to most)", *mail_servers(names)]
    if "Dovecot" in names:
        head += ["of Dovecot", "target"]
    if "nginx" in names:
        head += ["nginx", "of nginx"]
    head += [f"{name} per s" for name in names]
    yield head
    for cell in cells:
        row = [cell.title, *(spread(cpu_us(results[cell, name])) for name in mail_servers(names))]
        if "Dovecot" in names:
            row += share_and_target(share(results, cell, "Dovecot"), cell.target)
        if "nginx" in names:
            row += floor_columns(results, cell)
        row += [f"{rate(results[cell, name]):,.0f}" if (cell, name) in results else ""
                for name in names]
        yield row


def headline_rows(results, cells, memory, crowds):
    """The rows that stand where there is room for a few, by their medians."""
    yield ["server CPU an operation, or memory", "Poplar", "Dovecot", "of Dovecot", "nginx",
           "of nginx"]
    for cell in cells:
        if not cell.headline:
            continue
        ours, dovecot, nginx = (
            f"{figure(statistics.median(cpu_us(results[cell, name])))} µs"
            if (cell, name) in results else "" for name in ("Poplar", "Dovecot", "nginx"))
        of_nginx = share(results, cell, "nginx")
        yield [cell.headline, ours, dovecot, quotient(share(results, cell, "Dovecot")), nginx,
               "" if of_nginx is None else f"{of_nginx:.2f}"]
    for crowd in crowds:
        if crowd.headline:
            ours, dovecot = (statistics.median(memory[crowd, name]) for name in ("Poplar", "Dovecot"))
            yield [crowd.headline, f"{figure(ours)} KiB", f"{figure(dovecot)} KiB",
                   quotient(ours / dovecot), "", ""]


def headline(results, cells, memory, crowds, lines):
    """`lines`: the circumstances, of which it says when, what and where. Targets that were missed are named,
    whether their rows are among the few or not."""
    when, where = (line.removeprefix("- ") for line in lines[:2])
    titles = [title.split(";")[0] for title in missed(results, cells, memory, crowds)]
    return (f"{markdown(headline_rows(results, cells, memory, crowds))}\n\n"
            f"Targets missed: {'; '.join(titles) or 'none'}.\n\n{when}; {where}.")


def crowd_rows(memory, crowds, names):
    """`memory`: KiB that each client of a crowd took, a figure a round."""
    names = mail_servers(names)
    yield ["server memory per client, KiB: median (least to most)", *names,
           *(["of Dovecot"] if "Dovecot" in names else []), "target"]
    for crowd in crowds:
        row = [crowd.title, *(spread(memory[crowd, name]) for name in names)]
        if "Dovecot" in names:
            row.append(quotient(statistics.median(memory[crowd, "Poplar"])
                                / statistics.median(memory[crowd, "Dovecot"])))
        verdict = "MISSED" if crowd_missed(memory, crowd) else "met"
        yield [*row, f"at most {crowd.target_kib:g} KiB: {verdict}"]


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


# What the benchmarks write themselves, and pages.
NO_CODE = (":!bench/RESULTS.md", ":!bench/plots", ":!*README.md")


def commit(root):
    def git(*arguments):
        return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True,
                              check=False).stdout.strip()
    changed = " with changes" if git(
        "status", "--porcelain", "--untracked-files=no", "--", ".", *NO_CODE) else ""
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + changed


def circumstances(root, versions, options, congestion, load_average):
    turns = getattr(options, "turns", f"{options.rounds} rounds in turns, {options.seconds:g} s each after "
                                      f"{options.warmup:g} s of warming up")
    return [
        f"- {time.strftime('%Y-%m-%d')}, commit {commit(root)}; {', '.join(versions)}",
        f"- {os.cpu_count()} × {cpu_model()}, Linux {platform.release()}",
        f"- servers on core {options.server_cores}, poplar-load on core {options.client_cores}, "
        f"loopback, congestion control {congestion}",
        f"- {turns}; load average before: {load_average:.1f}",
    ]


def resumptions(results, cells, names):
    """How many of the handshakes that a cell wants resumed were: the servers may refuse a ticket."""
    shares = []
    for cell in cells:
        if "--tls-resume" not in cell.arguments:
            continue
        for name in names:
            notes = [report["notes"] for report in results.get((cell, name), ())]
            resumed, full = (sum(note.get(f"tls_{how}", 0) for note in notes)
                             for how in ("resumed", "full"))
            if resumed + full > 0:
                shares.append(f"{name} {resumed / (resumed + full):.1%}")
    return [f"- resumed, of the handshakes with a ticket: {', '.join(shares)}"] if shares else []


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
