"""CPU seconds by step, for the report on where preparation spends its time."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class StepClock:
    """Counts this thread's CPU seconds; a step inside of another is taken off the outer one.

    Attributes:
        seconds: CPU seconds by step.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside: list[str] = []
        self._since = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """What runs inside counts for `name`."""
        self._pass_on()
        self._inside.append(name)
        try:
            yield
        finally:
            self._pass_on()
            self._inside.pop()

    def each(self, name: str, items: Iterator[Item]) -> Iterator[Item]:
        """Items as they come; making one counts for `name`, using it does not."""
        while True:
            with self.step(name):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def _pass_on(self) -> None:
        now = time.thread_time()
        if self._inside:
            self.seconds[self._inside[-1]] += now - self._since
        self._since = now
