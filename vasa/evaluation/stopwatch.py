"""Where the time of an evaluation goes."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds by part; a second counts for the innermost part that it is spent in.

    Args:
        clock: seconds from anywhere on.

    Attributes:
        seconds: by part.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: Counter[str] = Counter()
        self._clock = clock
        self._inside: list[str] = []
        self._since = clock()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is done inside belongs to this part."""
        self._charge()
        self._inside.append(name)
        try:
            yield
        finally:
            self._charge()
            self._inside.pop()

    def _charge(self) -> None:
        now = self._clock()
        if self._inside:
            self.seconds[self._inside[-1]] += now - self._since
        self._since = now
