"""What a comparison says: regrets, ranks, tests, profiles and spreads.

Every score is smaller where better, and infinite where a run found no feasible design.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pfnbo.bench.results import Key, Run

RESAMPLES = 2000  # of a bootstrap
LEVEL = 0.9  # of its intervals


def gap(values: np.ndarray | float, f_star: float) -> np.ndarray:
    """Return how far values lie above the optimum, relative unless that is 0.

    An infinite optimum says that there is no feasible design: nothing is near it.
    """
    if np.isinf(f_star):
        return np.full(np.shape(values), np.inf)
    return (np.asarray(values, float) - f_star) / (abs(f_star) or 1.0)


def regret(run: Run, f_star: float) -> np.ndarray:
    """Return the gap of the best feasible design after each evaluation, (trials,).

    It is infinite before the first one, and 0 where a run beats the best known value.
    """
    return np.maximum(gap(run.incumbents, f_star), 0.0)


def relative_to_random(
    curves: np.ndarray,  # (..., trials)
    random: np.ndarray,  # (seeds, trials)
) -> np.ndarray:
    """Return regrets in units of the median regret of random search at that time.

    Where random search has found nothing they are 0, or 1 where there is none either.
    """
    base = np.broadcast_to(np.median(random, axis=0), np.shape(curves))
    both = np.isinf(curves) & np.isinf(base) | (curves == base)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(both, 1.0, np.asarray(curves) / base)


def improvement_over_random(values: Sequence[float], random: Sequence[float]) -> float:
    """Return by how many percent the mean is below that of random search.

    Source: Yang et al. 2020, "NAS evaluation is frustratingly hard", eq. 1, there for
    accuracies, which are to be maximised.
    """
    base = float(np.mean(random))
    return 100 * (base - float(np.mean(values))) / (abs(base) or 1.0)


def feasible_fraction(runs: Sequence[Run]) -> np.ndarray:
    """Return which share of the runs has found a feasible design by when, (trials,)."""
    found = [np.logical_or.accumulate(run.feasible) for run in runs]
    return np.mean(found, axis=0)


def evaluations_to(curve: np.ndarray, target: float) -> float:
    """Return after how many evaluations a regret is at most the target, or infinity."""
    hits = np.flatnonzero(curve <= target)
    return float(hits[0] + 1) if len(hits) else math.inf


def area_under_curve(curve: np.ndarray, start: float) -> float:
    """Return the mean regret of a run in units of `start`, each at most 1.

    It is 0 for a run that is at the optimum throughout, and 1 for one that never gets
    below `start`.
    """
    if start <= 0:
        return 0.0
    return float(np.mean(np.minimum(np.asarray(curve) / start, 1.0)))


@dataclass(frozen=True)
class Table:
    """Scores of every method on the same pairs of problem and seed."""

    pairs: tuple[tuple[str, int], ...]
    methods: tuple[str, ...]
    values: np.ndarray  # (pairs, methods)

    @classmethod
    def of(cls, scores: Mapping[Key, float], methods: Sequence[str] = ()) -> "Table":
        """Return the scores on the pairs that every method has run.

        Args:
            scores: by problem, method and seed.
            methods: the columns, all methods when left out.
        """
        methods = tuple(methods) or tuple(sorted({m for _, m, _ in scores}))
        every = sorted({(p, s) for p, _, s in scores})
        pairs = tuple(
            (p, s) for p, s in every if all((p, m, s) in scores for m in methods)
        )
        values = [[scores[p, m, s] for m in methods] for p, s in pairs]
        return cls(pairs, methods, np.reshape(values, (len(pairs), len(methods))))

    def ranks(self) -> np.ndarray:
        """Return the rank of each method on each pair, 1 is best, ties share theirs."""
        from scipy.stats import rankdata

        return rankdata(self.values, axis=1)

    def mean_ranks(self) -> "Interval":
        """Return the mean rank of each method, with its interval over the problems."""
        return bootstrap(self.ranks(), [problem for problem, _ in self.pairs])


@dataclass(frozen=True)
class Interval:
    """Means and the interval of a bootstrap."""

    mean: np.ndarray  # (methods,)
    low: np.ndarray
    high: np.ndarray


def bootstrap(
    values: np.ndarray,  # (pairs, methods)
    problems: Sequence[str] = (),
) -> Interval:
    """Return the mean of each column with its 90 % interval over resampled rows.

    The same rows are drawn at every call, so that figures can be repeated.

    Args:
        values: a row for each pair of problem and seed.
        problems: of each row. Where there are several, whole problems are drawn, as
            two seeds of one problem say less than two problems.
    """
    sums, counts = _by_problem(values, problems)
    n = len(counts)
    picks = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)[:, None]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Interval(values.mean(axis=0), low, high)


def _by_problem(
    values: np.ndarray, problems: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return sums and numbers of rows by problem, or by row where there is one problem.

    Returns:
        `(problems, ...)` and `(problems,)`.
    """
    if len(set(problems)) > 1:
        _, own = np.unique(problems, return_inverse=True)
    else:
        own = np.arange(len(values))
    sums = np.zeros((own.max() + 1, *values.shape[1:]))
    np.add.at(sums, own, values)
    return sums, np.bincount(own)


def paired_test(a: np.ndarray, b: np.ndarray, problems: Sequence[str] = ()) -> float:
    """Return the p-value of Wilcoxon's signed-rank test that a and b are alike.

    An infinite score is worse than every finite one and equal to another.

    Args:
        a: scores on pairs `(n,)`.
        b: scores on the same pairs.
        problems: of each pair. Where there are several, each counts once (Demsar 2006,
            J. Machine Learning Research 7), here by how much more often over its seeds
            b is ahead than a: gaps of different problems share no scale.
    """
    from scipy.stats import wilcoxon

    a, b = np.asarray(a, float), np.asarray(b, float)
    finite = np.abs(np.concatenate([a, b])[np.isfinite(np.concatenate([a, b]))])
    beyond = 4 * np.max(finite, initial=1.0)  # farther off than any finite difference
    d = np.where(np.isinf(a), beyond, a) - np.where(np.isinf(b), beyond, b)
    if len(set(problems)) > 1:
        wins, counts = _by_problem(np.sign(d), problems)
        d = wins / counts
    return float(wilcoxon(d)[1]) if np.any(d) else 1.0  # type: ignore[index]


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted for their number. Source: Holm 1979."""
    order = np.argsort(p)
    factors = np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(factors * np.asarray(p)[order])
    return np.minimum(adjusted, 1.0)


def performance_profile(
    costs: np.ndarray,  # (pairs, methods), infinite where not solved
    ratios: np.ndarray,  # (r,), from 1
) -> np.ndarray:
    """Return the share of pairs that each method solves at that multiple of the best.

    A pair that no method solves counts against all. Source: Dolan & More 2002.

    Returns:
        `(r, methods)`.
    """
    best = costs.min(axis=1, keepdims=True)
    limit = np.where(np.isfinite(best), best, np.nan)
    within = costs[None] <= ratios[:, None, None] * limit[None]
    return np.mean(within, axis=1)


def data_profile(
    costs: np.ndarray,  # (pairs, methods), infinite where not solved
    budgets: np.ndarray,  # (b,)
) -> np.ndarray:
    """Return the share of pairs that each method solves within each budget.

    Source: More & Wild 2009, with evaluations in the place of simplex gradients.

    Returns:
        `(b, methods)`.
    """
    return np.mean(costs[None] <= budgets[:, None, None], axis=1)


@dataclass(frozen=True)
class Spread:
    """How much the settings of one optimiser matter."""

    method: str
    settings: tuple[str, ...]  # from best to worst
    scores: np.ndarray  # (settings,) the mean of each


def lottery(table: Table) -> list[Spread]:
    """Return the spread over settings of every method that was run with several.

    Settings are what follows the colon: "cma:sigma=0.1" is one of "cma". An optimiser
    whose best setting wins says little if its others do not: it has won a lottery.
    Source: Krishnan et al. 2023, "ArchGym".
    """
    means = table.values.mean(axis=0)
    names = [method.partition(":")[0] for method in table.methods]
    spreads = []
    for name in dict.fromkeys(names):
        own = [i for i in np.argsort(means, kind="stable") if names[i] == name]
        if len(own) > 1:
            settings = tuple(table.methods[i] for i in own)
            spreads.append(Spread(name, settings, means[own]))
    return spreads
