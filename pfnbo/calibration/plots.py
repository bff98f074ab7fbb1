"""Pictures of how honest predictions are; matplotlib is imported when one is drawn."""

from typing import Any

import numpy as np

from pfnbo.calibration.classification import binned
from pfnbo.calibration.regression import Report


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


def plot_confidence(
    probability: Any, label: Any, ax: Any = None, *, bins: int = 10
) -> Any:
    """Draw how often the likeliest class came against its predicted probability.

    Args:
        probability: predicted probabilities `(n, classes)`.
        label: class that came `(n,)`.
        ax: matplotlib axes; None makes some.
        bins: number of bins of equal width; empty ones are left out.

    Returns:
        The matplotlib axes.
    """
    ax, p = _axes(ax), np.asarray(probability, float)
    hit = p.argmax(1) == np.asarray(label)
    confidence, frequency, count = binned(p.max(1), hit, bins)
    used = count > 0
    ax.plot(confidence[used], frequency[used], "o-")
    ax.plot([0, 1], [0, 1], color="black", linewidth=1)
    ax.set(xlabel="predicted probability", ylabel="frequency")
    return ax


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # slow to import

    return plt.subplots(layout="constrained")[1]
