"""Something done again and again while something else is measured."""

import threading

from lab import take_place


class Repeating:
    """Calls `act` every `period_s`, in a thread of its own, until it is left. On `cores`, those of the
    clients, it yields to them; without any it is as busy as all the others."""

    def __init__(self, act, period_s, cores=None):
        self._act = act
        self._period_s = period_s
        self._cores = cores
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self):
        if self._cores:
            take_place(self._cores, yields=True)  # of this thread, and of what it starts
        while not self._over.wait(self._period_s):
            self._act()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
