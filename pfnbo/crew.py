"""Points on their way through an executor, and some ready for the next free worker.

Where evaluations are so short that workers would wait for suggestions, a few points are
chosen while all workers are busy. Such a point knows nothing of the evaluations that
end before it begins, so that none is chosen early where it gains no time.
"""

import copy
import functools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any

import numpy as np

IDLE = 0.01  # share of its time that a worker may wait for suggestions
RECENT = 5  # suggestions and evaluations whose times are looked at


class Crew:
    """The workers of one run.

    Args:
        executor: where points are evaluated.
        fn: what is evaluated.
        size: points under evaluation at once.
    """

    def __init__(self, executor: Executor, fn: Callable, size: int) -> None:
        """Start nothing yet."""
        self._executor, self._fn, self._size = executor, fn, size
        self._flying: dict[Future, Any] = {}
        self._ready: deque[Any] = deque()
        # Seconds of evaluations; other threads append to it while it is read.
        self._took: list[float] = []

    @property
    def busy(self) -> bool:
        """Whether any point is under evaluation."""
        return bool(self._flying)

    @property
    def waiting(self) -> bool:
        """Whether any point is ready and not under evaluation."""
        return bool(self._ready)

    def wants(self, suggestions: list[float]) -> bool:
        """Return whether to choose one more point before anything else is done.

        Args:
            suggestions: seconds that each took so far.
        """
        if len(self._flying) < self._size:
            return True
        if any(future.done() for future in self._flying):
            return False
        return len(self._ready) < self._ahead(suggestions)

    def take(self, point: Any) -> None:
        """Evaluate a point as soon as a worker is free."""
        self._ready.append(point)
        self.launch()

    def launch(self) -> None:
        """Send points that are ready to workers that are free."""
        while self._ready and len(self._flying) < self._size:
            point, begin = self._ready.popleft(), time.monotonic()
            future = self._executor.submit(self._fn, copy.copy(point))
            future.add_done_callback(functools.partial(self._clock, begin))
            self._flying[future] = point

    def dismiss(self) -> None:
        """Forget the points that no worker has begun."""
        self._ready.clear()

    def ended(self) -> Iterator[tuple[Any, Callable[[], Any]]]:
        """Wait for an evaluation; yield points and what returns their outcomes."""
        for future in wait(self._flying, return_when=FIRST_COMPLETED).done:
            yield self._flying.pop(future), future.result

    def _clock(self, begin: float, future: Future) -> None:
        self._took.append(time.monotonic() - begin)

    def _ahead(self, suggestions: list[float]) -> int:
        """Return as many points as are used up while one is chosen."""
        # One worker would get a point chosen blindly each time.
        if self._size == 1 or not self._took or not suggestions:
            return 0
        share = np.median(suggestions[-RECENT:]) / np.median(self._took[-RECENT:])
        return min(math.ceil(self._size * share), self._size) if share > IDLE else 0
