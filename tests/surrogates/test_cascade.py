import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import GP, MLP, Cascade, Ensemble, SettingError
from pfnbo.data import pad

NET = MLP((8,))
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(10, 2))
DATA = pad(X, np.stack([np.sin(3 * X[:, 0]), X[:, 1] - X[:, 0]]), 16)
NEW = RNG.uniform(size=(50, 2))
THRESHOLDS = np.array([np.inf, 0.1])


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _log_feasibility(posterior):
    def at(row):
        return posterior.predict(row).log_cdf(THRESHOLDS)[1]

    return np.asarray(jax.vmap(at)(jnp.asarray(NEW)))


def test_the_screen_holds_members_of_the_expensive_one():
    posterior = Cascade(Ensemble(8, NET, steps=5), 3).fit(KEY, DATA)
    picks = posterior.expensive.params[:, [0, 4, 7]]
    np.testing.assert_array_equal(posterior.cheap.params, picks)
    whole = Cascade(Ensemble(8, NET, steps=5), 8).fit(KEY, DATA)
    np.testing.assert_array_equal(whole.cheap.means(X), whole.means(X))


def test_only_doubtful_verdicts_are_asked_of_the_expensive_one():
    rough = GP(noise=0.5, steps=5)  # has doubts everywhere
    posterior = Cascade(Ensemble(8, NET, steps=5), rough, 0.2).fit(KEY, DATA)
    told = np.asarray(posterior.feasibility(jnp.asarray(NEW), THRESHOLDS))
    cheap, full = (_log_feasibility(p) for p in (posterior.cheap, posterior.expensive))
    doubtful = np.argsort(np.abs(np.exp(cheap) - 0.5))[:10]
    expected = cheap.copy()
    expected[doubtful] = full[doubtful]
    np.testing.assert_allclose(told, expected, rtol=1e-9)
    assert np.any(np.abs(cheap - full) > 1e-3)


def test_a_cascade_that_passes_all_is_the_expensive_one():
    posterior = Cascade(Ensemble(8, NET, steps=5), 2, share=1.0).fit(KEY, DATA)
    told = posterior.feasibility(jnp.asarray(NEW), THRESHOLDS)
    np.testing.assert_allclose(told, _log_feasibility(posterior), rtol=1e-9)


def test_conditioning_reaches_both():
    posterior = Cascade(Ensemble(8, NET, steps=5), 4).fit(KEY, DATA)
    more = posterior.condition(pad(NEW[:11], np.zeros((2, 11)), 16))
    for part in (more.cheap, more.expensive):
        assert np.asarray(part.seen).sum(1).tolist() == [11, 11]


@pytest.mark.parametrize("settings", [dict(share=0), dict(share=1.5), dict(cheap=1)])
def test_what_screens_nothing_is_refused(settings):
    with pytest.raises(SettingError, match="wanted|needed"):
        Cascade(Ensemble(), **settings)


def test_too_few_members_are_refused():
    with pytest.raises(SettingError, match=r"type Cascade\(GP\(\), cheap"):
        Cascade(GP(steps=5)).fit(KEY, DATA)
    with pytest.raises(SettingError, match="Ensemble has 2"):
        Cascade(Ensemble(2, NET, steps=1), 3).fit(KEY, DATA)
