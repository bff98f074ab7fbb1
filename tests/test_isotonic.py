import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo.isotonic import PARTS, Isotonic, shares
from pfnbo.predictive import Mixture, Normal

RNG = np.random.default_rng(0)
SHARES = RNG.dirichlet(np.ones(PARTS))


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _bases():
    one, two = jnp.asarray([0.3, 0.7]), jnp.asarray([-1.0, 1.5])
    return {
        "normal": Normal(two, one),
        "mixture": Mixture(jnp.log(one)[None], Normal(two[:, None] + two[None], one)),
    }


@pytest.fixture(params=["normal", "mixture"])
def told(request):
    return Isotonic(_bases()[request.param], jnp.asarray(np.stack([SHARES] * 2)))


BEST = (-1.0, 0.8, 2.0)


@jax.jit
def _sums(told):
    """Return moments and improvements, and the sums that they should be."""
    low, high = told.base.icdf(1e-7), told.base.icdf(1 - 1e-7)
    y = low + (high - low) * jnp.linspace(0, 1, 4001)[:, None]
    p = jnp.exp(told.log_prob(y)) * (high - low) / 4000
    mean, gains = jnp.sum(y * p, 0), [jnp.exp(told.log_ei(best)) for best in BEST]
    own = jnp.ones(2), told.mean, told.var, *gains
    sums = jnp.sum(p, 0), mean, jnp.sum((y - mean) ** 2 * p, 0)
    return own, (*sums, *(jnp.sum(jnp.maximum(y - b, 0) * p, 0) for b in BEST))


def test_density_moments_and_improvement_are_their_integrals():
    told = Isotonic(_bases()["normal"], jnp.asarray(np.stack([SHARES] * 2)))
    for own, total in zip(*_sums(told), strict=True):
        np.testing.assert_allclose(own, total, rtol=0.01, atol=0.01)


@jax.jit
def _mapped(told, levels):
    y = told.base.icdf(levels)
    return y, told.cdf(y), told.log_sf(y)


def test_the_probabilities_of_the_base_are_mapped(told):
    levels = jnp.asarray(np.r_[1e-9, np.linspace(0.01, 0.99, 30), 1 - 1e-9])[:, None]
    y, cdf, log_sf = _mapped(told, levels)
    ends = np.arange(PARTS + 1) / PARTS
    wanted = np.interp(levels, ends, np.r_[0, np.cumsum(SHARES)])
    wanted = np.broadcast_to(wanted, y.shape)
    np.testing.assert_allclose(cdf, wanted, rtol=1e-6)
    np.testing.assert_allclose(np.exp(log_sf), 1 - wanted, rtol=1e-5)
    again = jax.jit(type(told).icdf)(told, wanted)
    np.testing.assert_allclose(again, y, rtol=1e-5, atol=1e-6)


FAR = (-30.0, 0.3, 40.0)


@jax.jit
def _told(dist):
    each = [(dist.log_ei(best), dist.log_sf(best)) for best in FAR]
    slope = jax.grad(lambda best: jnp.sum(dist.log_ei(best)))(40.0)
    return each, dist.mean, dist.var, dist.entropy(), slope


def test_equal_shares_change_nothing_and_tails_stay_finite():
    base = _bases()["normal"]
    same = Isotonic(base, jnp.full((2, PARTS), 1 / PARTS))
    pairs = zip(jax.tree.leaves(_told(same)), jax.tree.leaves(_told(base)), strict=True)
    for own, of in pairs:
        np.testing.assert_allclose(own, of, rtol=1e-6, atol=1e-12)
        assert np.all(np.isfinite(own))


def test_shares_are_counts_drawn_to_equal_ones():
    pit = jnp.asarray([[0.01] * 30 + [1.0] * 10 + [0.5] * 5])
    known = jnp.arange(45)[None] < 40
    told = np.asarray(shares(pit, known))[0]
    assert told.sum() == pytest.approx(1)
    assert told[0] == pytest.approx(30.5 / 50) and told[-1] == pytest.approx(10.5 / 50)
    assert np.all(told[1:-1] == pytest.approx(0.5 / 50))
