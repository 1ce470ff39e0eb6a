"""What one run measures: all of cells.py, the rows that were asked for, or all of it in small."""

import dataclasses

from cells import CELLS, CORPUS, CROWDS

SMOKE_USERS = 16
SMOKE_MESSAGES = 3
SMOKE_CROWD = 100


@dataclasses.dataclass(frozen=True)
class Plan:
    corpus: list  # what is delivered first
    cells: list
    crowds: list

    @property
    def idle(self):
        """The crowds' maildrops, which may be the same."""
        return list(dict.fromkeys(crowd.mail for crowd in self.crowds))

    @property
    def floor_corpus(self):
        return list(dict.fromkeys(cell.mail for cell in self.cells if cell.over_floor))


def make_plan(only="", smoke=False):
    """`only`: rows whose title has it, and the mail that they need."""
    cells = [cell for cell in CELLS if only in cell.title]
    crowds = [crowd for crowd in CROWDS if only in crowd.title]
    used = {cell.mail for cell in cells}
    corpus = [mail for mail in CORPUS if mail in used]
    if not smoke:
        return Plan(corpus, cells, crowds)
    # The same maildrops with little in them. The sizes stay, so the cells fit.
    small = {mail: dataclasses.replace(mail, users=min(mail.users, SMOKE_USERS),
                                       messages=min(mail.messages, SMOKE_MESSAGES))
             for mail in corpus}
    return Plan(list(small.values()),
                [dataclasses.replace(cell, mail=small[cell.mail]) for cell in cells],
                [dataclasses.replace(crowd, mail=dataclasses.replace(crowd.mail, users=SMOKE_CROWD),
                                     title=crowd.title.replace(f"{crowd.mail.users:,}", str(SMOKE_CROWD)))
                 for crowd in crowds])
