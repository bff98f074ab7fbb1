import jax
import numpy as np
import pytest

from pfnbo.kernel import log_marginal_likelihood
from pfnbo.pfn.kernel_head import KERNEL, TAIL, Particles, box
from pfnbo.pfn.polish import TIE, weighed

D, K = 2, 3


@pytest.fixture(scope="module")
def proposed():
    random = np.random.default_rng(0)
    unit = box(D)[2]
    start = np.concatenate([np.zeros(3 * D), np.zeros(TAIL - 1), [-9.0]])
    theta = start + 0.3 * unit * random.standard_normal((K, 3 * D + TAIL))
    return Particles(theta, np.array([0.0, -1.0, -2.0]))


def _task(n):
    x = np.random.default_rng(1).random((32, D))
    y = np.sin(7 * x[:, 0]) + x[:, 1]
    seen = np.arange(32) < n
    y = (y - y[:n].mean()) / y[:n].std()
    return x, np.where(seen, y, 0), seen


def _evidence(theta, task):
    return jax.vmap(lambda t: log_marginal_likelihood(t, *task, KERNEL))(theta)


@pytest.mark.parametrize("n", [2, 32])
def test_a_copy_weighs_its_evidence_less_the_way_it_went(proposed, n):
    task = _task(n)
    with jax.enable_x64(True):
        both = jax.jit(weighed)(proposed, *task)
        evidence = np.asarray(_evidence(both.theta, task))
        both = jax.tree.map(np.asarray, both)
    np.testing.assert_array_equal(both.theta[:K], proposed.theta)
    way = (both.theta[K:] - proposed.theta) / (TIE * box(D)[2])
    cost = np.concatenate([np.zeros(K), np.sum(way**2, 1) / 2])
    weight = proposed.log_weight - np.log(np.sum(np.exp(proposed.log_weight)))
    expected = np.tile(weight, 2) + evidence - cost
    np.testing.assert_allclose(both.log_weight, expected, rtol=1e-6)
    assert np.all(both.log_weight[K:] > both.log_weight[:K])


def test_it_moves_where_rows_are_many_and_stays_where_they_are_few(proposed):
    unit = box(D)[2]
    with jax.enable_x64(True):
        both = [jax.jit(weighed)(proposed, *_task(n)) for n in (2, 32)]
        few, many = (np.asarray(particles.theta) for particles in both)
    moved = [np.abs((theta[K:] - proposed.theta) / unit).max() for theta in (few, many)]
    assert moved[0] < 0.8 < 1.5 < moved[1], moved


def test_a_proposal_without_evidence_has_no_weight(proposed):
    theta = np.array(proposed.theta)
    theta[0] = np.nan
    with jax.enable_x64(True):
        both = jax.jit(weighed)(proposed._replace(theta=theta), *_task(32))
        both = jax.tree.map(np.asarray, both)
    assert np.all(both.log_weight[[0, K]] == -1e30)
    assert np.isfinite(both.log_weight).all()
