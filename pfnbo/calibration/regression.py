"""Scores of predictions of numbers, batches of one-dimensional distributions."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.stats import norm

from pfnbo.bars import Bars
from pfnbo.errors import SettingError
from pfnbo.predictive import Mixture, Normal, Predictive

LEVELS = 99  # of the probabilities at which calibration is judged
INTERVAL = 0.9  # coverage of the interval that is scored
_NODES = np.polynomial.legendre.leggauss(64)


@dataclass(frozen=True)
class Report:
    """Scores of the predictions of one output, in the units of its data."""

    n: int  # observations
    rmse: float  # of the means
    nll: float  # mean negative log density, nats
    crps: float  # mean continuous ranked probability score
    interval_score: float  # mean, of the central interval of 90 %
    coverage: float  # share of the observations in that interval
    miscalibration: float  # area between expected and observed shares, 0 to 0.5
    sharpness: float  # root mean predicted variance
    pit: np.ndarray  # (n,) predicted probabilities of lower values

    def __str__(self) -> str:
        """Return the scores in one line."""
        names = ("rmse", "nll", "crps", "coverage", "miscalibration", "sharpness")
        scores = ", ".join(f"{name} {getattr(self, name):.3g}" for name in names)
        return f"{self.n} observations: {scores}"


def report(posterior: Any, x: Any, y: Any, *, output: int = 0) -> Report:
    """Return how well a posterior predicts new observations.

    Args:
        posterior: what `fit` of any surrogate returned.
        x: rows of the unit cube `(n, d)`, best ones that were not fitted.
        y: observations `(n,)`, standardised as those of the fit were.
        output: which of the outputs.

    Raises:
        SettingError: when there are no observations or not as many as rows.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 2 or y.shape != x.shape[:1] or not len(y):
        raise SettingError(
            f"x has the shape {x.shape} and y {y.shape}: wanted (n, d) and (n,), n > 0."
        )
    with jax.enable_x64(True):
        told = _judge(posterior, x, y, output)
        scores = {name: np.asarray(value) for name, value in told.items()}
    pit = scores.pop("pit")
    return Report(
        n=len(y),
        miscalibration=miscalibration(pit),
        pit=pit,
        **{name: float(value) for name, value in scores.items()},
    )


@jax.jit
def _judge(posterior, x: Array, y: Array, output) -> dict[str, Array]:
    at = jax.vmap(lambda row: jax.tree.map(lambda a: a[output], posterior.observe(row)))
    predicted = at(x)
    low, high = (predicted.icdf(p) for p in ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2))
    return dict(
        rmse=jnp.sqrt(jnp.mean((predicted.mean - y) ** 2)),
        nll=-jnp.mean(predicted.log_prob(y)),
        crps=jnp.mean(crps(predicted, y)),
        interval_score=jnp.mean(interval_score(low, high, y, INTERVAL)),
        coverage=jnp.mean((low <= y) & (y <= high)),
        sharpness=jnp.sqrt(jnp.mean(predicted.var)),
        pit=predicted.cdf(y),
    )


def crps(predicted: Predictive, y: Array) -> Array:
    """Continuous ranked probability score of each observation, same shape as `y`.

    Exact for normals, their mixtures and bars; otherwise twice the quantile loss over
    the levels, by Gauss-Legendre with 64 nodes (error near 1e-3 of the scale).
    """
    if isinstance(predicted, Normal):
        return (
            _spread(y - predicted.mean, predicted.var)
            - _spread(jnp.zeros_like(predicted.mean), 2 * predicted.var) / 2
        )
    if isinstance(predicted, Mixture) and isinstance(predicted.components, Normal):
        return _mixture_crps(predicted, y)
    if isinstance(predicted, Bars):
        return _bars_crps(predicted, y)
    node, weight = _NODES
    levels = jnp.asarray((1 + node) / 2)
    losses = jax.vmap(lambda p: quantile_loss(predicted.icdf(p), y, p))(levels)
    return jnp.tensordot(jnp.asarray(weight), losses, 1)


def _spread(mean: Array, var: Array) -> Array:
    """E|Z| of a normal Z, Gneiting & Raftery 2007, eq. 21; Grimit et al. 2006."""
    sd = jnp.sqrt(var)
    z = mean / sd
    return mean * (2 * norm.cdf(z) - 1) + 2 * sd * norm.pdf(z)


def _mixture_crps(predicted: Mixture, y: Array) -> Array:
    weight = jax.nn.softmax(predicted.log_weights)
    mean, var = predicted.components.mean, predicted.components.var
    apart = mean[..., :, None] - mean[..., None, :]
    pairs = _spread(apart, var[..., :, None] + var[..., None, :])
    near = jnp.sum(weight * _spread(y[..., None] - mean, var), -1)
    both = weight[..., :, None] * weight[..., None, :]
    return near - jnp.sum(both * pairs, (-2, -1)) / 2


def _bars_crps(predicted: Bars, y: Array) -> Array:
    """Integral of (F - 1[y <= .])^2: a cubic in each bar, and two half-normal tails."""
    mass = jax.nn.softmax(predicted.logits)
    left, s_left, right, s_right = predicted._tails()
    scale = jnp.asarray(predicted.scale)
    z = (y - predicted.loc) / scale
    a, b = predicted.borders[1:-2], predicted.borders[2:-1]
    after = jnp.cumsum(mass, -1)[..., 1:-1]
    before = after - mass[..., 1:-1]
    at = jnp.clip(z[..., None], a, b)
    there = before + mass[..., 1:-1] * (at - a) / (b - a)

    def cubic(f, g):
        return (f * f + f * g + g * g) / 3

    bars = (at - a) * cubic(before, there) + (b - at) * cubic(there - 1, after - 1)
    tails = _tail_crps((left - z) / s_left, mass[..., 0]) * s_left
    tails += _tail_crps((z - right) / s_right, mass[..., -1]) * s_right
    return scale * (jnp.sum(bars, -1) + tails)


def _tail_crps(k: Array, mass: Array) -> Array:
    """Score of a half-normal tail of unit scale, observed `k` beyond its start."""
    k = jnp.maximum(k, 0)
    inside = k * norm.sf(k) + norm.pdf(0.0) - norm.pdf(k)
    whole = norm.pdf(0.0) - 0.5 / jnp.sqrt(jnp.pi)
    return k - 4 * mass * inside + 4 * mass**2 * whole


def quantile_loss(quantile: Array, y: Array, p: float) -> Array:
    """Pinball loss of a predicted quantile at level `p`."""
    return jnp.maximum(p * (y - quantile), (p - 1) * (y - quantile))


def interval_score(low: Array, high: Array, y: Array, coverage: float) -> Array:
    """Width of a central interval plus the penalty of missing (Winkler 1972)."""
    missed = jnp.maximum(low - y, 0) + jnp.maximum(y - high, 0)
    return high - low + 2 / (1 - coverage) * missed


def miscalibration(pit: np.ndarray) -> float:
    """Area between expected and observed shares below the quantiles, 0 to 0.5."""
    levels = np.arange(1, LEVELS + 1) / (LEVELS + 1)
    observed = np.mean(pit[:, None] <= levels[None], axis=0)
    return float(np.mean(np.abs(observed - levels)))


def adversarial_miscalibration(
    pit: np.ndarray, share: float = 0.1, groups: int = 100, seed: int = 0
) -> float:
    """Largest miscalibration of random groups of a share of the observations.

    Source: Zhao et al. 2020, arXiv 2006.10288.
    """
    size, random = max(1, round(share * len(pit))), np.random.default_rng(seed)
    picks = (random.choice(pit, size, replace=False) for _ in range(groups))
    return max(miscalibration(group) for group in picks)


def sigma_ratio(predicted: Predictive, y: Any) -> float:
    """Factor of the predicted standard deviations that the errors ask for."""
    z2 = (np.asarray(y) - np.asarray(predicted.mean)) ** 2 / np.asarray(predicted.var)
    return float(np.sqrt(np.mean(z2)))


def isotonic(pit: Any, levels: Any) -> np.ndarray:
    """Return the calibrated probabilities of predicted ones.

    Args:
        pit: predicted probabilities of held-out observations, `(n,)`.
        levels: predicted probabilities to correct, of any shape.

    Source: Kuleshov et al. 2018, arXiv 1807.00263; on ranks the isotonic regression is
    the distribution of the probabilities itself.
    """
    knots = np.sort(np.asarray(pit, float))
    share = np.arange(1, len(knots) + 1) / (len(knots) + 1)
    ends = np.r_[0.0, knots, 1.0], np.r_[0.0, share, 1.0]
    return np.interp(levels, *ends)
