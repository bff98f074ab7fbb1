import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import MLP, SettingError, SparseVI
from pfnbo.data import pad
from pfnbo.surrogates.sparse import WHOLE, _plan, folded, infer, signal

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("mean, sd", [(0.0, 1.0), (0.7, 0.5), (-2.0, 3.0)])
def test_the_folded_normal_has_the_moments_of_its_draws(mean, sd):
    draws = np.abs(mean + sd * RNG.normal(size=400_000))
    centre, var = folded(jnp.asarray(mean), jnp.asarray(sd))
    np.testing.assert_allclose(centre, draws.mean(), rtol=0.01)
    np.testing.assert_allclose(var, draws.var(), rtol=0.01)


def test_the_signal_has_no_unit_and_no_sign_and_its_slopes_are_finite():
    mean, sd = jnp.asarray([0.0, 0.3, 5.0, 1e6]), jnp.ones(4)
    told = signal(mean, sd)
    np.testing.assert_allclose(signal(-3 * mean, 3 * sd), told, rtol=1e-9)
    assert np.all(np.diff(told) > 0) and np.all(np.isfinite(told))
    # At mean 0 it is that of a half-normal, sqrt(2 / (pi - 2)).
    np.testing.assert_allclose(told[0], np.sqrt(2 / (np.pi - 2)), rtol=1e-9)


WEIGHT = np.zeros(40)
WEIGHT[[3, 17, 31]] = 2.0, -1.5, 1.0
DESIGN = RNG.normal(size=(200, 40))


def _loss(params):
    y = DESIGN @ WEIGHT
    return jnp.sum((y - DESIGN @ params) ** 2) / 0.1**2 / 2


def _inferred(kept, **more):
    settings = dict(steps=600, rate=0.05) | more
    return infer(KEY, _loss, jnp.zeros(40), kept, **settings)


def test_the_weights_that_matter_are_found():
    told = _inferred(4)
    assert told.active.sum() == 4
    assert np.all(np.asarray(told.active)[[3, 17, 31]])
    np.testing.assert_allclose(told.mean, WEIGHT, atol=0.05)


@pytest.mark.parametrize("steps, kept", [(1, 3), (100, 5), (2000, 39), (300, 40)])
def test_weights_leave_until_as_many_are_left_as_are_kept(steps, kept):
    wanted, new = _plan(steps, 40, kept)
    assert np.all(wanted[: int(WHOLE * steps)] == 40) and wanted[-1] == kept
    assert np.all(np.diff(wanted) <= 0)
    free = 40 - np.append(40, wanted[:-1])
    assert np.all(new >= 0) and np.all(new <= free) and np.all(new <= wanted)


def test_what_is_not_active_is_zero_in_mean_and_draws():
    told = _inferred(5)
    draws = np.asarray(told.draws(KEY, 20))
    assert np.all(draws[:, ~told.active] == 0) and np.all(draws[:, told.active] != 0)
    assert np.all(np.asarray(told.mean)[~told.active] == 0)


def test_independent_weights_have_their_exact_deviations():
    """With columns at right angles the posterior is independent."""
    q, _ = np.linalg.qr(RNG.normal(size=(20, 4)))
    a = jnp.asarray(q * np.array([1.0, 2.0, 4.0, 8.0]))
    y = a @ jnp.asarray([0.5, -0.5, 1.0, 0.0])
    loss = lambda p: jnp.sum((y - a @ p) ** 2) / 2  # noqa: E731
    told = infer(KEY, loss, jnp.zeros(4), 4, steps=4000, rate=0.02)
    exact = 1 / np.sqrt(1 + np.array([1.0, 4.0, 16.0, 64.0]))
    np.testing.assert_allclose(told.sd, exact, rtol=0.1)
    np.testing.assert_allclose(told.mean, exact**2 * (a.T @ y), atol=0.05)


def test_the_posterior_tells_its_subspace():
    data = pad(RNG.uniform(size=(6, 2)), RNG.normal(size=(2, 6)), 16)
    posterior = SparseVI(MLP((8,)), 0.3, draws=8, steps=100).fit(KEY, data)
    active = np.asarray(posterior.diagnostics.active)
    assert active.sum(1).tolist() == [11, 11]  # of 33 and the noise
    used = np.any(np.asarray(posterior.params) != 0, axis=1)
    np.testing.assert_array_equal(used, active[:, :-1])


@pytest.mark.parametrize("settings", [dict(density=0), dict(density=2), dict(draws=1)])
def test_what_is_no_posterior_is_refused(settings):
    with pytest.raises(SettingError, match="wanted|needed"):
        SparseVI(**settings)
