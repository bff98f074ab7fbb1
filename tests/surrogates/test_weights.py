from dataclasses import replace

import jax
import numpy as np
import pytest

from pfnbo import HMC, MLP, Ensemble, SettingError, WeightPrior
from pfnbo.data import pad
from pfnbo.surrogates.ensemble import _train

LINE = MLP((), weight=1.0, bias=1.0)  # one input: f = a (x - 0.5) + b
KEY = jax.random.key(0)
SLOPES = np.array([6.0, 0.0]), np.array([0.3, 2.0])  # mean and deviation of a and b


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _tasks(count, n=12):
    random = np.random.default_rng(0)
    mean, sd = SLOPES
    for a, b in mean + sd * random.normal(size=(count, 2)):
        x = random.uniform(size=(n, 1))
        yield x, a * (x[:, 0] - 0.5) + b + 0.1 * random.normal(size=n)


def test_a_hierarchy_of_lines_is_recovered():
    prior = WeightPrior.learn(KEY, list(_tasks(200)), LINE, noise=0.1)
    np.testing.assert_allclose(prior.mean, SLOPES[0], atol=0.3)
    np.testing.assert_allclose(prior.sd, SLOPES[1], rtol=0.15, atol=0.2)


def test_tasks_without_values_teach_the_unit_normal():
    nothing = [(np.zeros((3, 1)), np.full(3, np.nan))] * 200
    prior = WeightPrior.learn(KEY, nothing, LINE)
    np.testing.assert_allclose(prior.mean, 0, atol=1e-6)
    np.testing.assert_allclose(prior.sd, 1, atol=0.02)


def _line(prior, noise):
    """The exact posterior of a and b after two observations, and these."""
    x, y = np.array([[0.1], [0.9]]), np.array([0.5, 1.5])
    phi = np.stack([x[:, 0] - 0.5, np.ones(2)], 1)
    precision = np.diag(1 / prior.sd**2) + phi.T @ phi / noise**2
    cov = np.linalg.inv(precision)
    return x, y, cov @ (prior.mean / prior.sd**2 + phi.T @ y / noise**2), cov


@pytest.mark.filterwarnings("ignore:R-hat is")
@pytest.mark.parametrize(
    "model",
    [
        Ensemble(400, LINE, noise=0.5),
        HMC(LINE, noise=0.5, chains=4, warmup=200, draws=400, kept=400, leapfrogs=10),
    ],
)
def test_a_linear_network_has_the_exact_posterior_under_a_prior(model):
    prior = WeightPrior(np.array([2.0, -1.0]), np.array([0.5, 1.5]))
    x, y, mean, cov = _line(prior, 0.5)
    posterior = replace(model, prior=prior).fit(KEY, pad(x, y[None], 16))
    params = np.asarray(posterior.params[0])
    error = 5 * np.sqrt(np.diag(cov) / len(params))
    assert np.all(np.abs(params.mean(0) - mean) < error)
    np.testing.assert_allclose(np.cov(params.T), cov, atol=0.25 * cov.max())


def test_the_unit_prior_is_none():
    x = np.random.default_rng(0).uniform(size=(6, 2))
    net, data = MLP((8,)), pad(x, np.sin(3 * x[:, :1].T), 16)
    unit = WeightPrior(np.zeros(33), np.ones(33))
    with_prior, without = (
        Ensemble(4, net, noise=0.1, prior=prior).fit(KEY, data)
        for prior in (unit, None)
    )
    np.testing.assert_allclose(with_prior.params, without.params, atol=1e-6)


def test_another_prior_compiles_nothing():
    data = pad(np.full((1, 1), 0.3), np.ones((1, 1)), 16)
    programs = []
    for mean in (0.0, 1.0):
        prior = WeightPrior(np.full(2, mean), np.ones(2))
        Ensemble(2, LINE, prior=prior).fit(KEY, data)
        programs.append(_train._cache_size())
    assert programs[0] == programs[1]


def test_what_does_not_fit_is_refused():
    prior = WeightPrior(np.zeros(3), np.ones(3))
    with pytest.raises(SettingError, match="has 3 weights.* 2 for 1 columns"):
        Ensemble(2, LINE, prior=prior).fit(
            KEY, pad(np.zeros((1, 1)), np.ones((1, 1)), 4)
        )
    (task,) = _tasks(1)
    with pytest.raises(SettingError, match="at least two tasks"):
        WeightPrior.learn(KEY, [task], LINE)
    with pytest.raises(SettingError, match="same d in all"):
        WeightPrior.learn(KEY, [task, (np.zeros((3, 2)), np.zeros(3))], LINE)
