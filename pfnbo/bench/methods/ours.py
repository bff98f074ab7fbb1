"""`pfnbo.optimize`, with any of its surrogates and settings."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import pfnbo
from pfnbo.bench.trace import Row, Trace
from pfnbo.compilation import jit
from pfnbo.data import bucket, pad
from pfnbo.problems.problem import Problem
from pfnbo.views import standardize

SURROGATES = {
    "cascade": lambda: pfnbo.Cascade(pfnbo.HMC()),
    "default": lambda: None,
    "dkl": pfnbo.DKL,
    "ensemble": pfnbo.Ensemble,
    "fully_bayesian": pfnbo.FullyBayesianGP,
    "gp": pfnbo.GP,
    "hmc": pfnbo.HMC,
    "laplace": pfnbo.Laplace,
    "neural_linear": pfnbo.NeuralLinear,
    "nngp": pfnbo.NNGP,
    "pfn": pfnbo.PFN,
    "recalibrated": lambda: pfnbo.Recalibrated(pfnbo.GP()),
    "saas": pfnbo.SAAS,
    "scale_mixture": lambda: pfnbo.ScaleMixture(stats.burr12(2, 1)),
    "sghmc": pfnbo.SGHMC,
    "sparse": pfnbo.SparseVI,
    "student": pfnbo.TProcess,
}
CANDIDATES = 1000  # of PFN4sBO's rule


def ours(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    *,
    surrogate: str = "default",
    **settings: Any,
) -> list[Row]:
    """Run `pfnbo.optimize`.

    Args:
        problem: benchmark problem.
        x_init: shared design, cube rows `(n, columns)`.
        n_trials: evaluations in total.
        seed: of the run.
        surrogate: one of `SURROGATES`, or the name of a checkpoint.
        **settings: other arguments of `optimize`, such as `acquisition`.
    """
    trace = Trace(problem)
    named = SURROGATES.get(surrogate)
    model = named() if named else pfnbo.PFN(surrogate)

    def objective(point: dict[str, Any]) -> Any:
        outcome = trace.observe(point)
        if len(trace.rows) == len(x_init):
            trace.start_clock()
        return outcome

    pfnbo.optimize(
        objective,
        problem.space,
        n_trials,
        n_constraints=problem.constraints,
        x0=[trace.space.decode(row) for row in x_init],
        n_initial=max(len(x_init), 1),
        seed=seed,
        surrogate=model,
        **settings,
    )
    return trace.rows


def network(
    problem: Problem, x_init: np.ndarray, n_trials: int, seed: int, **settings: Any
) -> list[Row]:
    """Run `pfnbo.optimize` with the network that it ships."""
    return ours(problem, x_init, n_trials, seed, surrogate="pfn", **settings)


def pfn_cei(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    *,
    plus: bool = False,
) -> list[Row]:
    """Take the best of 1,000 random points by constrained expected improvement.

    The improvement is over the best objective of all points, feasible or not, as the
    authors' code has it; the network that predicts is that of pfnbo.

    Args:
        problem: benchmark problem.
        x_init: shared design, cube rows `(n, columns)`.
        n_trials: evaluations in total.
        seed: of the run.
        plus: whether a probability of a half is as good as 1, the rule CEI+.

    Source: Yu, Picard & Ahmed 2025, Struct. Multidisc. Optim., arXiv 2404.05917.
    """
    trace = Trace(problem)
    trace.design(x_init)
    rng, model = np.random.default_rng(seed), pfnbo.PFN()
    while len(trace.rows) < n_trials:
        rows = [
            trace.space.snap(u) for u in rng.random((CANDIDATES, trace.space.columns))
        ]
        trace.evaluate_cube(rows[_best_candidate(trace, np.array(rows), model, plus)])
    return trace.rows


def _best_candidate(
    trace: Trace, rows: np.ndarray, model: pfnbo.PFN, plus: bool
) -> int:
    """Return which of the rows is best, all outputs predicted in one pass."""
    outputs = [-np.array(trace.f), *map(_even, -np.array(trace.g).T)]
    z, means, scales = zip(*map(standardize, outputs), strict=True)
    goal = np.array([z[0].max(), *(-np.array(means[1:]) / scales[1:])])
    data = pad(np.array(trace.cube), np.array(z), bucket(len(trace.cube)))
    with jax.enable_x64(True):
        posterior = model.fit(jax.random.key(0), data)
        return int(np.argmax(_constrained_ei(posterior, rows, goal, plus=plus)))


def _even(y: np.ndarray) -> np.ndarray:
    """Return values made more normal; the sign of each stays what it is."""
    from scipy.stats import yeojohnson

    y = y / (np.std(y) or 1.0)
    return np.asarray(yeojohnson(y)[0]) if np.ptp(y) > 0 else y


@partial(jit, static_argnames="plus")
def _constrained_ei(posterior: Any, x: Any, goal: Any, *, plus: bool) -> Any:
    """Return the log of improvement times feasibility at each row of x."""
    at = jax.vmap(posterior.observe)(x)

    def output(i: int) -> Any:
        return jax.tree.map(lambda a: a[:, i], at)

    safe = [output(i).log_sf(goal[i]) for i in range(1, len(goal))]
    if plus:
        safe = [jnp.minimum(0.0, log + jnp.log(2.0)) for log in safe]
    return sum(safe, output(0).log_ei(goal[0]))
