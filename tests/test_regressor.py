import sys

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer, PowerTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

import pfnbo
from pfnbo import PFNRegressor

CHECKS = list(estimator_checks_generator(PFNRegressor(kept=2)))


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = random.uniform([0, -50], [2, 50], (30, 2))
    return x, 1e3 + 50 * np.sin(3 * x[:, 0]) + 0.5 * x[:, 1]


@pytest.fixture(scope="module")
def fitted(rows):
    return PFNRegressor().fit(*rows)


def _name(pair):
    return getattr(pair[1], "func", pair[1]).__name__


@pytest.mark.parametrize("pair", CHECKS, ids=map(_name, CHECKS))
def test_scikit_learn_is_content(pair):
    estimator, check = pair
    check(estimator)


def test_it_predicts_what_it_has_not_seen(fitted):
    x = np.random.default_rng(1).uniform([0, -50], [2, 50], (200, 2))
    y = 1e3 + 50 * np.sin(3 * x[:, 0]) + 0.5 * x[:, 1]
    mean, sd = fitted.predict(x, return_std=True)
    assert fitted.score(x, y) > 0.99
    assert 0.8 < np.mean(np.abs(y - mean) < 2 * sd)


def test_quantiles_are_those_of_the_mean_and_deviation(rows):
    fitted = PFNRegressor("engineering").fit(*rows)  # whose predictive is nearly normal
    x = rows[0][:5] + 0.05
    low, middle, high = fitted.predict(x, quantiles=[0.1587, 0.5, 0.8413])
    mean, sd = fitted.predict(x, return_std=True)
    np.testing.assert_allclose(middle, mean, atol=0.3 * sd.max())
    np.testing.assert_allclose((high - low) / 2, sd, rtol=0.3)
    assert np.all((low < middle) & (middle < high))


def test_quantiles_hold_their_shares_of_what_is_unseen(fitted):
    x = np.random.default_rng(1).uniform([0, -50], [2, 50], (200, 2))
    y = 1e3 + 50 * np.sin(3 * x[:, 0]) + 0.5 * x[:, 1]
    low, high = fitted.predict(x, quantiles=[0.05, 0.95])
    assert 0.7 < np.mean((low < y) & (y < high))


def test_a_transformer_predicts_the_outputs_themselves(rows):
    x, y = rows
    log = FunctionTransformer(np.log, np.exp)
    plain = PFNRegressor("engineering", transformer=log).fit(x, np.exp(y / 30))
    other = PFNRegressor("engineering").fit(x, y / 30)
    at = x[:7] + 0.03
    p = [0.1, 0.5, 0.9]
    np.testing.assert_allclose(
        plain.predict(at, quantiles=p), np.exp(other.predict(at, quantiles=p)), 1e-6
    )
    # Of a log-normal, nearly: the predictive is a mixture of a few normals.
    mean, sd = other.predict(at, return_std=True)
    got, spread = plain.predict(at, return_std=True)
    np.testing.assert_allclose(got, np.exp(mean + sd**2 / 2), rtol=0.1)
    np.testing.assert_allclose(spread, got * np.sqrt(np.expm1(sd**2)), rtol=0.5)


def test_a_transformed_prediction_stays_near_the_data(rows):
    x, y = rows
    cost = np.exp((y - y.mean()) / 5)
    fitted = PFNRegressor("engineering", transformer=PowerTransformer()).fit(x, cost)
    far = np.random.default_rng(2).uniform([0, -50], [2, 50], (50, 2))
    mean, sd = fitted.predict(far, return_std=True)
    assert np.all(np.isfinite(mean)) and np.all(np.isfinite(sd))
    assert np.abs(mean).max() < 12 * np.ptp(cost)


def test_units_do_not_matter(fitted, rows):
    x, y = rows
    other = PFNRegressor().fit(x * [1e-6, 1e6] + [3, 0], 1e-9 * y)
    at = x[:7] * 0.9 + 0.02
    expected = fitted.predict(at)
    got = other.predict(at * [1e-6, 1e6] + [3, 0])
    np.testing.assert_allclose(got, 1e-9 * expected, rtol=1e-4)


# A network of rows computes in float32, and another shape adds up in another order.
@pytest.mark.parametrize(
    ("network", "rtol"), [("engineering", 1e-9), ("anchored", 5e-5)]
)
def test_chunks_do_not_show(network, rtol, rows, monkeypatch):
    fitted = PFNRegressor(network).fit(*rows)
    x = np.tile(rows[0], (5, 1))
    whole = fitted.predict(x, return_std=True)
    monkeypatch.setattr("pfnbo.regressor.CHUNK", 64)
    np.testing.assert_allclose(fitted.predict(x, return_std=True), whole, rtol=rtol)


def test_queries_beyond_the_bounds_are_answered_at_the_edge(rows):
    model = PFNRegressor(bounds=[(0, 2), (-50, 50)]).fit(*rows)
    at = model.predict([[2, 0.0], [5, 0.0]])
    assert at[0] == at[1]


@pytest.mark.parametrize("bounds", [[(0, 1)], [(1, 0), (0, 1)], [(0, 1), (0, np.nan)]])
def test_wrong_bounds_are_told(rows, bounds):
    with pytest.raises(ValueError, match="2 pairs"):
        PFNRegressor(bounds=bounds).fit(*rows)


def test_wrong_quantiles_are_told(fitted, rows):
    with pytest.raises(ValueError, match="between 0 and 1"):
        fitted.predict(rows[0], quantiles=[0.5, 1.0])


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pfnbo.regressor", None)
    with pytest.raises(ModuleNotFoundError, match=r"pfnbo\[sklearn\]"):
        _ = pfnbo.PFNRegressor
