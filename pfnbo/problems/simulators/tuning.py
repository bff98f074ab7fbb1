"""Tuning a small network that reads digits, with scikit-learn."""

import warnings
from functools import cache
from typing import Any

import numpy as np

from pfnbo.dimensions import Categorical, Float, Int
from pfnbo.problems.problem import Result, register

ACTIVATIONS = ("relu", "tanh")
EPOCHS = (4, 10, 20, 40)  # by fidelity
PIXELS, DIGITS, LARGEST = 64, 10, 6000


@cache
def _digits() -> Any:
    """Return the images to train on, to validate on, and the digits of both."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    images, digits = load_digits(return_X_y=True)
    split = train_test_split(
        images, digits, test_size=0.4, stratify=digits, random_state=0
    )
    scaler = StandardScaler().fit(split[0])
    return *map(scaler.transform, split[:2]), *split[2:]


@register(
    {
        "layers": Int(1, 3),
        "width": Int(4, 64, log=True),
        "alpha": Float(10**-5, 10**-0.5, log=True),
        "learning rate": Float(1e-4, 1e-1, log=True),
        "activation": Categorical(ACTIVATIONS),
        "batch": Categorical((16, 32, 64, 128, 256), ordered=True),
    },
    units="-",
    constraints=("parameters",),
    x_star=(2, 48, 0.04562, 0.00143, 1, 32),
    f_star=15 / 719,
    source="own design, on the digits of scikit-learn (Pedregosa et al. 2011)",
    remarks="the best of a search, which may be beaten; fidelities are 4, 10, 20 and "
    "40 epochs; the value moves in steps of one image of 719, and with the version "
    "of scikit-learn",
    costs=(0.1, 0.25, 0.5, 1.0),
    needs="sklearn",
)
def digits_network(x: np.ndarray, level: int = 3) -> Result:
    """Validation error of a network of at most 6,000 parameters that reads digits.

    Args:
        x: layers, width of each, alpha penalty, learning rate, number of the
            activation, batch size.
        level: 0 to 3.

    Source: Pedregosa et al. 2011, JMLR 12 (scikit-learn).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    layers, width = int(x[0]), int(x[1])
    batch: Any = int(x[5])  # the stub of scikit-learn wants a word
    network = MLPClassifier(
        hidden_layer_sizes=(width,) * layers,
        alpha=float(x[2]),
        learning_rate_init=float(x[3]),
        activation=ACTIVATIONS[int(x[4])],
        batch_size=batch,
        max_iter=EPOCHS[level],
        random_state=0,
    )
    train, held, labels, truth = _digits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(train, labels)
    hidden = (layers - 1) * (width + 1) * width
    parameters = (PIXELS + 1) * width + hidden + (width + 1) * DIGITS
    return 1 - network.score(held, truth), np.array([parameters / LARGEST - 1])
