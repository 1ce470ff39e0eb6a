"""One line of a table of figures: what was measured, what it is held against, and whether the
ratio of the two keeps its target."""

from dataclasses import dataclass
from typing import ClassVar

from table import markdown


@dataclass(frozen=True)
class Row:
    """`value` and `beside` are what the table shows; `ratio` is of the two, `limit` its target."""

    HEAD: ClassVar = ("", "Poplar", "held against", "ratio", "target")

    title: str
    value: str
    beside: str = ""
    ratio: float | None = None
    limit: float | None = None
    at_least: bool = False  # else the ratio may be at most `limit`
    unit: str = ""  # of ratio and limit, when they are no pure numbers

    @property
    def met(self):
        """None: there is no target."""
        if self.ratio is None or self.limit is None:
            return None
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit

    def cells(self):
        target = ""
        if self.met is not None:
            bound = "at least" if self.at_least else "at most"
            verdict = "met" if self.met else "MISSED"
            target = f"{bound} {self.limit:g}{self.unit}: {verdict}"
        shown = "" if self.ratio is None else f"{self.ratio:,.2f}{self.unit}"
        return [self.title, self.value, self.beside, shown, target]


def render(rows):
    """REQUIRES: at least one row, all of one kind."""
    return markdown([rows[0].HEAD, *(row.cells() for row in rows)])


def missed(rows):
    return [row.title for row in rows if row.met is False]


def quotient(value, floor, what):
    """value / floor; a floor of nothing is a fault of the measurement, not a ratio."""
    if floor <= 0:
        raise ValueError(f"{what}: there is nothing to compare with")
    return value / floor
