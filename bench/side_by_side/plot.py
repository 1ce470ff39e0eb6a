"""The table as pictures: SVG by gnuplot, on a logarithmic scale, since a delivery costs a thousand times what a NOOP does."""

import os
import statistics
import subprocess

import table

# A colour each that stays apart from the others without colours, too.
COLOURS = {"Poplar": "#1b7f4b", "Dovecot": "#c9a227", "nginx": "#5b6f9a"}
ABSENT = "NaN"  # gnuplot's word for no bar.


def draw(folder, results, cells, names, caption):
    """compare_cpu.svg and compare_rate.svg in `folder`, of the medians."""
    os.makedirs(folder, exist_ok=True)
    pictures = {
        "compare_cpu": ("server CPU time an operation, µs (less is better)",
                        lambda reports: statistics.median(table.cpu_us(reports))),
        "compare_rate": ("operations a second on one core (more is better)", table.rate),
    }
    for name, (title, value) in pictures.items():
        lines = [[cell.title.split(";")[0],
                  *(value(results[cell, server]) if (cell, server) in results else ABSENT
                    for server in names)] for cell in cells]
        script = script_of(f"{folder}/{name}.svg", title, caption, names, lines)
        subprocess.run(["gnuplot"], input=script, text=True, check=True)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def script_of(path, title, caption, names, lines):
    data = "\n".join(" ".join([quoted(words[0]), *map(str, words[1:])]) for words in lines)
    bars = ", ".join(
        f"$figures using {column}:xtic(1) title {quoted(name)} "
        f"linecolor rgb {quoted(COLOURS[name])}" for column, name in enumerate(names, 2))
    return f"""set terminal svg size 1200,600 noenhanced font "sans-serif,12" background "#ffffff"
set output {quoted(path)}
set title {quoted(title)} . "\\n" . {quoted(caption)}
set style data histogram
set style histogram clustered gap 1
set style fill solid border -1
set logscale y
set grid ytics linecolor rgb "#dddddd"
set xtics rotate by -35 left scale 0
set rmargin 18
set key outside top right
$figures << END
{data}
END
plot {bars}
"""
