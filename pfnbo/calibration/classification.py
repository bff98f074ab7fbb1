"""Scores of predicted probabilities of classes, and the temperature that mends them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pfnbo.errors import SettingError

BINS = (5, 10, 15, 20, 25, 50, 100)  # counts for which a report has errors
USUAL = 15  # bins, where there is one count


@dataclass(frozen=True)
class ClassReport:
    """Scores of predicted probabilities of classes; smaller is better but accuracy."""

    n: int  # observations
    accuracy: float  # share of the likeliest classes that came
    nll: float  # mean negative log probability of the class that came, nats
    brier: float  # mean squared distance of the probabilities to the labels
    ece: dict[int, float]  # calibration error of the likeliest class, by bins
    ece_equal_mass: dict[int, float]  # the same with bins of as many predictions
    classwise: float  # calibration error of all classes, 15 bins
    maximum: float  # largest gap in any of 15 bins of as many predictions
    kolmogorov_smirnov: float  # the error of the likeliest class without bins

    def __str__(self) -> str:
        """Return the scores in one line."""
        names = ("accuracy", "nll", "brier", "classwise", "kolmogorov_smirnov")
        scores = ", ".join(f"{name} {getattr(self, name):.3g}" for name in names)
        return f"{self.n} observations: {scores}, ece {self.ece[USUAL]:.3g}"


def class_report(probability: Any, label: Any) -> ClassReport:
    """Return how well probabilities of classes predict those that came.

    Args:
        probability: predicted probabilities `(n, classes)`, of sum 1.
        label: class that came `(n,)`, from 0 on.

    Raises:
        SettingError: when the shapes differ, or these are no probabilities or labels.
    """
    p, label = np.asarray(probability, float), np.asarray(label)
    if p.ndim != 2 or label.shape != p.shape[:1] or not len(p):
        raise SettingError(
            f"probabilities have the shape {p.shape}, labels {label.shape}: wanted "
            "(n, classes) and (n,), n > 0."
        )
    if np.any(p < 0) or not np.allclose(p.sum(1), 1, atol=1e-3):
        raise SettingError("probabilities must be 0 or more and of sum 1 in each row.")
    if np.any(label != np.clip(label.astype(int), 0, p.shape[1] - 1)):
        raise SettingError(
            f"labels go from {label.min()} to {label.max()}: wanted whole numbers from "
            f"0 to {p.shape[1] - 1}."
        )
    label = label.astype(int)
    top, hit = p.max(1), p.argmax(1) == label
    chosen = p[np.arange(len(p)), label]
    error = expected_calibration_error
    return ClassReport(
        n=len(p),
        accuracy=float(np.mean(hit)),
        nll=float(-np.mean(np.log(np.maximum(chosen, np.finfo(float).tiny)))),
        brier=brier(p, label),
        ece={bins: error(top, hit, bins) for bins in BINS},
        ece_equal_mass={bins: error(top, hit, bins, equal_mass=True) for bins in BINS},
        classwise=classwise_calibration_error(p, label),
        maximum=maximum_calibration_error(top, hit, equal_mass=True),
        kolmogorov_smirnov=kolmogorov_smirnov(top, hit),
    )


def expected_calibration_error(
    probability: Any, hit: Any, bins: int = USUAL, *, equal_mass: bool = False
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
    probability: Any, hit: Any, bins: int = USUAL, *, equal_mass: bool = False
) -> float:
    """Largest gap between confidence and frequency in any bin that is not empty."""
    gaps, shares = _gaps(probability, hit, bins, equal_mass)
    return float(np.max(gaps[shares > 0]))


def _gaps(probability, hit, bins: int, equal_mass: bool):
    confidence, frequency, count = binned(probability, hit, bins, equal_mass=equal_mass)
    return np.abs(confidence - frequency), count / np.sum(count)


def binned(
    probability: Any, hit: Any, bins: int = USUAL, *, equal_mass: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean confidence, frequency and count of each bin, zeros where empty.

    Args:
        probability: predicted probabilities `(n,)`.
        hit: whether what was predicted happened, `(n,)`.
        bins: number of bins.
        equal_mass: bins of as many predictions each, instead of equal widths.

    Raises:
        SettingError: when the shapes differ or there are no bins or predictions.
    """
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
    confidence, frequency = (
        np.bincount(place, of, minlength=bins) / np.maximum(count, 1) for of in (p, hit)
    )
    return confidence, frequency, count


def classwise_calibration_error(
    probability: Any, label: Any, bins: int = USUAL, *, equal_mass: bool = False
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
