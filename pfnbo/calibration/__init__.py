"""How honest predictions are: whether doubts are as large as errors.

`report` judges the posterior of any surrogate, `class_report` probabilities of classes.
Of losses and errors, the smaller tells more; coverage, `sigma_ratio`, sharpness and
accuracy stand beside what they should be. `recalibrated` corrects a posterior by rows
held out; `pfnbo.Recalibrated` does so within a search.
"""

from pfnbo.calibration.classification import (
    ClassReport,
    binned,
    brier,
    class_report,
    classwise_calibration_error,
    expected_calibration_error,
    kolmogorov_smirnov,
    maximum_calibration_error,
    temperature,
)
from pfnbo.calibration.plots import plot_confidence, plot_pit, plot_reliability
from pfnbo.calibration.regression import (
    Report,
    adversarial_miscalibration,
    crps,
    interval_score,
    isotonic,
    miscalibration,
    quantile_loss,
    report,
    sigma_ratio,
)
from pfnbo.surrogates.recalibrated import recalibrated

__all__ = [
    "ClassReport",
    "Report",
    "adversarial_miscalibration",
    "binned",
    "brier",
    "class_report",
    "classwise_calibration_error",
    "crps",
    "expected_calibration_error",
    "interval_score",
    "isotonic",
    "kolmogorov_smirnov",
    "maximum_calibration_error",
    "miscalibration",
    "plot_confidence",
    "plot_pit",
    "plot_reliability",
    "quantile_loss",
    "recalibrated",
    "report",
    "sigma_ratio",
    "temperature",
]
