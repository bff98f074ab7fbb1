"""How much faster 8 workers are than one, and whether they wait for suggestions.

    python experiments/workers/speedup.py --trials 200

An evaluation takes 0.2 to 1.8 s, 1 s in the mean. The clock is that of the processor,
which is what suggestions cost, plus the time that the evaluations would let pass, so
that other jobs on the machine do not count and nobody has to wait. `--real` sleeps and
takes the time of the wall. "busy" is the share of their time in which workers evaluate,
"suggestion" the median seconds of one. Compilation is done before.
"""

import argparse
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

import pfnbo
from pfnbo import crew, optimizer

SPACE = {f"x{i}": (0.0, 1.0) for i in range(4)}


def value(x: dict[str, float]) -> float:
    """Return the height of a bowl."""
    return float(np.sum((np.array(list(x.values())) - 0.3) ** 2))


def seconds(x: dict[str, float]) -> float:
    """Return how long an evaluation takes, as good as random."""
    return 0.2 + 1.6 * (1e4 * sum(x.values()) % 1)


def slow(x: dict[str, float]) -> float:
    """Return the value after so long."""
    time.sleep(seconds(x))
    return value(x)


class Clock:
    """Seconds of the processor and those that were waited."""

    def __init__(self) -> None:
        """Begin with what the processor has done."""
        self.waited = 0.0

    def monotonic(self) -> float:
        """Return the time."""
        return time.process_time() + self.waited

    perf_counter = monotonic


class Due(Future):
    """An evaluation that ends at a time."""

    def __init__(self, end: float, clock: Clock) -> None:
        """Begin it."""
        super().__init__()
        self.end, self.clock = end, clock

    def done(self) -> bool:
        """Return whether it has ended."""
        return self.end <= self.clock.monotonic()


class Workers(Executor):
    """Workers whose evaluations end when a clock says so."""

    def __init__(self, clock: Clock) -> None:
        """Have nothing to do."""
        self.clock, self.outcomes = clock, {}

    def submit(self, fn, /, *args: Any, **kwargs: Any) -> Future:
        """Begin an evaluation of the point that is the only argument."""
        end = self.clock.monotonic() + seconds(args[0])
        future: Any = Due(end, self.clock)
        self.outcomes[future] = fn(*args)
        return future

    def wait(self, futures, **_: Any) -> Any:
        """Let the time pass until one of some evaluations ends; return those ended."""
        first = min(future.end for future in futures)
        self.clock.waited += max(first - self.clock.monotonic(), 0)
        done = {future for future in futures if future.done()}
        for future in done:
            future.set_result(self.outcomes.pop(future))
        return Waited(done)


class Waited(NamedTuple):
    """What `concurrent.futures.wait` returns, as far as it is read."""

    done: set[Future]


def simulated(workers: int, trials: int, seed: int) -> tuple[float, Any]:
    """Return the seconds of a run on a clock of its own, and its result."""
    clock = Clock()
    pool = Workers(clock)
    before = crew.time, crew.wait, optimizer.time
    crew.time, crew.wait, optimizer.time = clock, pool.wait, clock  # type: ignore[assignment]
    begin = clock.monotonic()
    try:
        result = _optimized(value, pool, workers, trials, seed)
    finally:
        crew.time, crew.wait, optimizer.time = before
    return clock.monotonic() - begin, result


def real(workers: int, trials: int, seed: int) -> tuple[float, Any]:
    """Return the seconds of a run by the wall, and its result."""
    with ThreadPoolExecutor(workers) as pool:
        begin = time.perf_counter()
        result = _optimized(slow, pool, workers, trials, seed)
        return time.perf_counter() - begin, result


def _optimized(fn, pool: Executor, workers: int, trials: int, seed: int) -> Any:
    settings = dict(seed=seed, executor=pool, batch_size=workers)
    return pfnbo.optimize(fn, SPACE, trials, **settings)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", action="store_true", help="sleep, by the wall")
    args = parser.parse_args()
    run = real if args.real else simulated
    # Every program is compiled first: a bucket of rows needs its own.
    simulated(args.workers, args.trials, args.seed)
    print("| workers | s | s an evaluation | busy | suggestion | best |")
    print("|---|---|---|---|---|---|", flush=True)
    walls = []
    for workers in (args.workers, 1):
        wall, result = run(workers, args.trials, args.seed)
        walls.append(wall)
        spent = sum(seconds(x) for x in result.x_iters)
        print(
            f"| {workers} | {wall:.1f} | {spent / args.trials:.2f} | "
            f"{spent / (workers * wall):.1%} | {np.median(result.time_suggest):.3f} | "
            f"{result.fun:.1e} |",
            flush=True,
        )
    print(f"\nspeed-up {walls[1] / walls[0]:.2f}")


if __name__ == "__main__":
    main()
