"""The runs of a report and the scores that its tables and figures share."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np

from pfnbo import problems
from pfnbo.bench.results import Key, Run
from pfnbo.bench.statistics import (
    Interval,
    Spread,
    Table,
    area_under_curve,
    evaluations_to,
    holm,
    improvement_over_random,
    lottery,
    paired_test,
    regret,
    relative_to_random,
)
from pfnbo.errors import BenchError, ProblemError
from pfnbo.problems import Problem

SOLVED = 0.01  # a gap that counts as having found the optimum
RANDOM = ("random", "sobol")  # what the others are held against, the first there is


class Comparison:
    """Runs of equal length, and what follows from them.

    Where no problem and seed has a run of every method, they are those of as many
    methods as share one.

    Args:
        runs: by problem, method and seed.
        trials: evaluations to count; the most common number when left out. Shorter runs
            are left out.

    Raises:
        BenchError: when no run is left, or no two methods share a problem and seed.
    """

    def __init__(self, runs: Mapping[Key, Run], trials: int | None = None) -> None:
        """Cut the runs to one length."""
        counts = Counter(run.trials for run in runs.values())
        self.trials = trials or (counts.most_common(1)[0][0] if counts else 0)
        kept = {k: r for k, r in runs.items() if r.trials >= self.trials}
        if not kept:
            raise BenchError(
                f"no run of {self.trials} evaluations: `pfnbo bench` makes them."
            )
        self.left_out = len(runs) - len(kept)
        self.strangers = _strangers(kept)
        kept = {k: r for k, r in kept.items() if k[1] not in self.strangers}
        self.runs = {key: run.first(self.trials) for key, run in kept.items()}
        self.problems = tuple(sorted({p for p, _, _ in kept}))
        every = [run for run in runs.values() if run.problem in self.problems]
        self.seeds = tuple(sorted({s for _, _, s in kept}))
        self.f_star = {name: self._best(name, every) for name in self.problems}
        self.regrets = {
            key: regret(run, self.f_star[run.problem]) for key, run in self.runs.items()
        }
        self.finals = {key: float(curve[-1]) for key, curve in self.regrets.items()}
        self.table = Table.of(self.finals)

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """All methods, from the best mean rank to the worst."""
        return tuple(self.table.methods[i] for i in np.argsort(self.ranks.mean))

    @cached_property
    def ranks(self) -> Interval:
        """Mean rank of each column of `table`, with its interval."""
        return self.table.mean_ranks()

    @cached_property
    def p_values(self) -> dict[str, float]:
        """Whether each method may be as good as the first one, adjusted after Holm."""
        columns = dict(zip(self.table.methods, self.table.values.T, strict=True))
        first, *others = self.methods
        names = [problem for problem, _ in self.table.pairs]
        p = [paired_test(columns[first], columns[other], names) for other in others]
        return dict(zip(others, holm(p).tolist(), strict=True))

    def p_values_on(self, problem: str) -> dict[str, float]:
        """Return adjusted p-values on a problem, over the seeds shared with the first.

        Methods that share none with it are left out.
        """
        ends = {key: end for key, end in self.finals.items() if key[0] == problem}
        first, *others = self.methods
        shared = {other: Table.of(ends, (first, other)) for other in others}
        p = {m: paired_test(*t.values.T) for m, t in shared.items() if t.pairs}
        return dict(zip(p, holm(list(p.values())).tolist(), strict=True))

    @cached_property
    def areas(self) -> Table:
        """Area under each run's curve, from the end of the design on."""
        return Table.of({key: self._area(key) for key in self.runs})

    @property
    def spreads(self) -> list[Spread]:
        """How much the settings of a method matter to its area, see `lottery`."""
        return lottery(self.areas)

    @property
    def random(self) -> str:
        """The method that searches at random, or nothing."""
        return next((name for name in RANDOM if name in self.table.methods), "")

    def of(self, *, problem: str = "", method: str = "") -> list[Run]:
        """Return the runs of one problem, one method, or both."""
        return [
            run
            for run in self.runs.values()
            if problem in ("", run.problem) and method in ("", run.method)
        ]

    def shared(self, method: str) -> list[Run]:
        """Return the runs of a method on the pairs that all methods have run."""
        return [self.runs[p, method, s] for p, s in self.table.pairs]

    def curves(self, problem: str, method: str) -> np.ndarray:
        """Return the regrets of a method on a problem, (seeds, trials)."""
        runs = self.of(problem=problem, method=method)
        return np.array([self.regrets[run.key] for run in runs])

    def costs(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the methods and their evaluations to a solution, (pairs, methods)."""
        counts = {k: evaluations_to(c, SOLVED) for k, c in self.regrets.items()}
        table = Table.of(counts, self.methods)
        return table.methods, table.values

    def seconds(self, method: str, clock: str = "cpu") -> float:
        """Return the median seconds per suggestion, NaN where they are not known."""
        spent = [getattr(r, clock)[r.suggested] for r in self.shared(method)]
        known = np.concatenate(spent)
        known = known[np.isfinite(known)]
        return float(np.median(known)) if len(known) else np.nan

    def memory(self, method: str) -> float:
        """Return the largest peak of memory in MB, NaN where it is not known."""
        peaks = [r.memory for r in self.shared(method) if np.isfinite(r.memory)]
        return max(peaks, default=np.nan)

    def gap(self, problem: str, method: str) -> float:
        """Return the median gap at the end."""
        ends = [self.finals[run.key] for run in self.of(problem=problem, method=method)]
        return middle(ends) if ends else np.nan

    def against_random(self, method: str) -> float:
        """Return the median gap in units of random search's, over the problems."""
        if not self.random:
            return np.nan
        return middle(self.ratios(method)[:, -1].tolist())

    def ratios(self, method: str) -> np.ndarray:
        """Return median gaps in units of random search's, (problems, trials)."""
        seeds: dict[str, list[int]] = {}
        for problem, seed in self.table.pairs:
            seeds.setdefault(problem, []).append(seed)
        found = []
        for problem, own in seeds.items():
            curves, base = (
                np.array([self.regrets[problem, m, s] for s in own])
                for m in (method, self.random)
            )
            found.append(np.median(relative_to_random(curves, base), axis=0))
        return np.array(found)

    def improvement(self, problem: str, method: str) -> float:
        """Return by how many percent the mean is below that of random search.

        It is NaN where a run of either found no feasible design.
        """
        if not self.random:
            return np.nan
        ends = [
            [run.incumbents[-1] for run in self.of(problem=problem, method=m)]
            for m in (method, self.random)
        ]
        if not all(ends) or not np.all(np.isfinite(np.concatenate(ends))):
            return np.nan
        return improvement_over_random(*ends)

    def problem(self, name: str) -> Problem | None:
        """Return the problem of that name if pfnbo knows it."""
        try:
            return problems.get(name)
        except ProblemError:
            return None

    def unit(self, problem: str) -> str:
        """Return in what a gap is told."""
        return "relative" if self.f_star[problem] else "absolute"

    def _best(self, name: str, runs: Sequence[Run]) -> float:
        """Return the best known value, of these runs where pfnbo has none."""
        known = self.problem(name)
        if known is not None:
            return known.f_star
        ends = [run.incumbents[-1] for run in runs if run.problem == name]
        return float(min(ends)) if np.isfinite(min(ends)) else 0.0

    def _area(self, key: Key) -> float:
        run = self.runs[key]
        starts = [
            self.regrets[other.key][run.initial - 1]
            for other in self.of(problem=run.problem)
        ]
        start = middle(starts)
        curve = self.regrets[key][run.suggested]
        if np.isinf(start):  # no design is feasible: what was found first counts
            seen = [
                c[np.isfinite(c)] for k, c in self.regrets.items() if k[0] == key[0]
            ]
            start = float(max((c[0] for c in seen if len(c)), default=1.0))
        return area_under_curve(curve, start)


def _strangers(keys: Collection[Key]) -> dict[str, int]:
    """Return the methods that are not among the most that share a pair, and their runs.

    Raises:
        BenchError: when no two methods do.
    """
    counts = Counter(method for _, method, _ in keys)
    together: dict[tuple[str, int], set[str]] = {}
    for problem, method, seed in keys:
        together.setdefault((problem, seed), set()).add(method)
    most = max(map(len, together.values()))
    # Of as many methods, those with the most runs; the names make it certain.
    shared = max(
        (methods for methods in together.values() if len(methods) == most),
        key=lambda methods: (sum(counts[m] for m in methods), sorted(methods)),
    )
    if most == 1 < len(counts):
        raise BenchError(
            f"no problem and seed that two of {sorted(counts)} have run: run the rest "
            "with `pfnbo bench`, or choose some by --methods."
        )
    return {method: n for method, n in counts.items() if method not in shared}


def middle(values: list[float]) -> float:
    """Return the median, of an even number the lower one: infinities have no mean."""
    return float(np.quantile(values, 0.5, method="lower"))
