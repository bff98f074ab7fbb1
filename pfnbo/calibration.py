"""How honest predictions are: whether doubts are as large as errors.

Predictions are batches of one-dimensional distributions, `Predictive`; probabilities of
classes are arrays. All scores but sharpness tell more the smaller they are.
"""

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
    losses = [2 * quantile_loss(predicted.icdf(p), y, p) for p in (1 + node) / 2]
    return jnp.stack(losses, -1) @ jnp.asarray(weight / 2)


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


def expected_calibration_error(
    probability: Any, hit: Any, bins: int = 15, *, equal_mass: bool = False
) -> float:
    """Mean gap between confidence and frequency over bins of the confidence.

    Args:
        probability: predicted probabilities `(n,)`.
        hit: whether what was predicted happened, `(n,)`.
        bins: number of bins.
        equal_mass: bins of as many predictions each, instead of equal widths.

    Source: Guo et al. 2017, arXiv 1706.04599; Nixon et al. 2019, arXiv 1904.01685.
    """
    gaps, shares = _gaps(probability, hit, bins, equal_mass)
    return float(np.sum(shares * gaps))


def maximum_calibration_error(
    probability: Any, hit: Any, bins: int = 15, *, equal_mass: bool = False
) -> float:
    """Largest gap between confidence and frequency in any bin that is not empty."""
    gaps, shares = _gaps(probability, hit, bins, equal_mass)
    return float(np.max(gaps[shares > 0]))


def _gaps(probability, hit, bins: int, equal_mass: bool):
    p, hit = np.asarray(probability, float), np.asarray(hit, float)
    if bins < 1 or p.ndim != 1 or p.shape != hit.shape or not len(p):
        raise SettingError(
            f"probabilities have the shape {p.shape}, outcomes {hit.shape}, and there "
            f"are {bins} bins: wanted (n,) twice, n > 0, and a bin or more."
        )
    place = np.minimum((p * bins).astype(int), bins - 1)
    if equal_mass:
        place = np.argsort(np.argsort(p, kind="stable")) * bins // len(p)
    count = np.bincount(place, minlength=bins)
    gap = np.bincount(place, p - hit, minlength=bins) / np.maximum(count, 1)
    return np.abs(gap), count / len(p)


def classwise_calibration_error(
    probability: Any, label: Any, bins: int = 15, *, equal_mass: bool = False
) -> float:
    """Mean over the classes of their calibration error.

    Args:
        probability: predicted probabilities `(n, classes)`.
        label: class that came `(n,)`.
        bins: number of bins.
        equal_mass: bins of as many predictions each, instead of equal widths.

    Source: Kull et al. 2019, arXiv 1910.12656.
    """
    p, label = np.asarray(probability, float), np.asarray(label)
    each = [
        expected_calibration_error(p[:, c], label == c, bins, equal_mass=equal_mass)
        for c in range(p.shape[1])
    ]
    return float(np.mean(each))


def kolmogorov_smirnov(probability: Any, hit: Any) -> float:
    """Largest gap between summed confidence and hits: an error without bins.

    Source: Gupta et al. 2021, arXiv 2006.12800.
    """
    p, hit = np.asarray(probability, float), np.asarray(hit, float)
    order = np.argsort(p, kind="stable")
    return float(np.max(np.abs(np.cumsum((p - hit)[order]))) / len(p))


def brier(probability: Any, label: Any) -> float:
    """Mean squared distance of predicted probabilities `(n, classes)` to the labels."""
    p = np.asarray(probability, float)
    return float(np.mean(np.sum((p - np.eye(p.shape[1])[np.asarray(label)]) ** 2, 1)))


def temperature(logits: Any, label: Any) -> float:
    """Return the number to divide logits `(n, classes)` by for the best likelihood.

    Source: Guo et al. 2017, arXiv 1706.04599.
    """
    from scipy.optimize import minimize_scalar  # slow to import

    logits, label = np.asarray(logits, float), np.asarray(label)

    def loss(log_temperature):
        z = logits / np.exp(log_temperature)
        log_norm = np.logaddexp.reduce(z, axis=1)
        return np.mean(log_norm - z[np.arange(len(z)), label])

    best: Any = minimize_scalar(loss, bounds=(-5, 5), method="bounded")
    return float(np.exp(best.x))


def plot_pit(told: Report, ax: Any = None) -> Any:
    """Draw the histogram of the predicted probabilities; flat is calibrated.

    Returns:
        The matplotlib axes.
    """
    ax = _axes(ax)
    bins = int(np.clip(told.n // 5, 4, 20))
    ax.hist(told.pit, bins, range=(0, 1), density=True)
    ax.axhline(1, color="black", linewidth=1)
    ax.set(xlabel="predicted probability of lower values", ylabel="density")
    return ax


def plot_reliability(told: Report, ax: Any = None) -> Any:
    """Draw the share of observations below each predicted quantile.

    Returns:
        The matplotlib axes.
    """
    ax = _axes(ax)
    ax.step(np.sort(told.pit), np.arange(1, told.n + 1) / told.n, where="post")
    ax.plot([0, 1], [0, 1], color="black", linewidth=1)
    ax.set(xlabel="expected share", ylabel="observed share")
    return ax


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # slow to import

    return plt.subplots(layout="constrained")[1]
