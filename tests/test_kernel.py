import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gamma, kv

from pfnbo import kernel
from pfnbo.infinite import Infinite

D = 2
RNG = np.random.default_rng(0)
A, B = RNG.uniform(size=(5, D)), RNG.uniform(size=(4, D))
# d log lengths, d log a, d log b, log signal, log noise
THETA = np.array([-1.0, 0.5, 0.7, -0.3, -0.6, 0.4, 0.3, -2.0])


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _matern(r, nu):
    """Rasmussen 2006, eq. 4.14."""
    u = math.sqrt(2 * nu) * r
    return 2 ** (1 - nu) / gamma(nu) * u**nu * kv(nu, u)


@pytest.mark.parametrize(
    "name, exact",
    [
        ("rbf", lambda r: np.exp(-(r**2) / 2)),
        ("matern12", lambda r: _matern(r, 0.5)),
        ("matern32", lambda r: _matern(r, 1.5)),
        ("matern52", lambda r: _matern(r, 2.5)),
    ],
)
def test_kernels_equal_their_general_formula(name, exact):
    r = np.linspace(0.01, 6, 40)
    np.testing.assert_allclose(kernel.KERNELS[name](r**2), exact(r), rtol=1e-10)


@pytest.mark.parametrize("name", sorted(kernel.KERNELS))
def test_kernels_are_correlations_with_finite_slopes(name):
    fn = kernel.KERNELS[name]
    assert float(fn(jnp.asarray(0.0))) == pytest.approx(1, abs=1e-9)
    grid = fn(jnp.linspace(0, 30, 50))
    assert np.all(np.diff(grid) < 0) and np.all(grid >= 0)
    assert np.isfinite(jax.grad(fn)(0.0))


def test_no_warp_is_the_identity():
    straight = np.where((np.arange(8) >= D) & (np.arange(8) < 3 * D), 0, THETA)
    np.testing.assert_allclose(kernel.warp(straight, A), A, atol=2e-6)


def test_a_warp_is_the_distribution_function_of_kumaraswamy():
    a, b = np.exp(THETA[D : 2 * D]), np.exp(THETA[2 * D : 3 * D])
    np.testing.assert_allclose(
        kernel.warp(THETA, A), 1 - (1 - A**a) ** b, rtol=1e-4, atol=1e-5
    )
    slopes = jax.vmap(jax.jacfwd(lambda x: kernel.warp(THETA, x)))(A)
    density = a * b * A ** (a - 1) * (1 - A**a) ** (b - 1)
    got = np.diagonal(slopes, axis1=1, axis2=2)
    np.testing.assert_allclose(got, density, rtol=1e-4)


BENDS = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
_warp = jax.jit(kernel.warp)
_slopes = jax.jit(jax.jacrev(kernel.warp, (0, 1)))


@pytest.mark.parametrize("a, b", BENDS)
def test_warps_increase_with_finite_slopes_everywhere(a, b):
    bend = kernel.LARGEST_BEND * np.array([a, b])
    theta = np.array([0.0, *bend, 0.0, 0.0])
    y = np.asarray(_warp(theta, np.linspace(0, 1, 101)[:, None]))[:, 0]
    assert np.all((y >= 0) & (y <= 1)) and np.all(np.diff(y) >= 0) and y[0] < y[-1]
    for end in (0.0, 1.0):
        for slope in _slopes(theta, np.array([end])):
            assert np.isfinite(slope).all()


@pytest.mark.parametrize("a, b", BENDS)
def test_moderate_warps_reach_from_end_to_end(a, b):
    y = np.asarray(
        _warp(np.array([0.0, a, b, 0.0, 0.0]), np.linspace(0, 1, 101)[:, None])
    )[:, 0]
    assert y[0] < 0.02 and y[-1] > 0.98 and np.all(np.diff(y) > 0)


@pytest.mark.parametrize("name", sorted(kernel.KERNELS))
def test_covariance_equals_plain_differences(name):
    gap = (A[:, None] - B[None]) * np.exp(-THETA[:D])
    k = np.asarray(kernel.KERNELS[name](np.sum(gap**2, axis=2)))
    expected = np.exp(THETA[-2]) * k + kernel.MEAN_VARIANCE
    got = kernel.covariance(THETA, A, B, name)
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_the_additive_share_is_a_mean_over_columns():
    theta = np.insert(THETA, 3 * D, 0.4)
    share = 1 / (1 + math.exp(-0.4))
    gap = (A[:, None] - B[None]) * np.exp(-THETA[:D])
    alone = np.asarray(kernel.matern52(D * gap**2)).mean(axis=2)
    for name in ("rbf", "matern12"):
        joint = np.asarray(kernel.KERNELS[name](np.sum(gap**2, axis=2)))
        both = (1 - share) * joint + share * alone
        expected = np.exp(THETA[-2]) * both + kernel.MEAN_VARIANCE
        got = kernel.covariance(theta, A, B, name + kernel.ADDITIVE)
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_a_single_column_has_no_share():
    theta = np.array([-1.0, 0.3, 0.2, 5.0, 0.3, -2.0])
    plain = kernel.covariance(np.delete(theta, 3), A[:, :1], B[:, :1], "rbf")
    got = kernel.covariance(theta, A[:, :1], B[:, :1], "rbf" + kernel.ADDITIVE)
    np.testing.assert_array_equal(got, plain)


def test_a_gram_matrix_is_the_covariance_with_noise_on_what_is_seen():
    seen = np.array([True, False, True, True, False])
    got = np.asarray(kernel.gram(THETA, A, seen, "matern52"))
    noise = np.exp(THETA[-1]) + 1e-10 * np.exp(THETA[-2])
    expected = np.asarray(kernel.covariance(THETA, A, A, "matern52"))
    expected = expected + noise * np.eye(5)
    np.testing.assert_allclose(got[np.ix_(seen, seen)], expected[np.ix_(seen, seen)])
    np.testing.assert_array_equal(got[~seen], np.eye(5)[~seen])
    np.testing.assert_array_equal(got[:, ~seen], np.eye(5)[:, ~seen])
    assert np.linalg.eigvalsh(got).min() > 0


def test_noise_variances_of_many_outputs():
    many = np.stack([THETA, THETA + 1])
    each = [float(kernel.noise_variance(theta)) for theta in many]
    np.testing.assert_allclose(kernel.noise_variance(many), each)


EVERY = [*sorted(kernel.KERNELS), "matern52" + kernel.ADDITIVE]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("corner", [0, 1])
def test_the_gram_matrix_is_positive_in_every_corner(name, corner):
    theta = kernel.limits(D, True, name)[corner]
    theta[-1] = math.log(kernel.NOISE_FLOOR)
    rows = np.asarray(kernel.warp(theta, np.repeat(A, 2, axis=0)))
    k = np.asarray(kernel.gram(theta, rows, np.ones(10, bool), name))
    assert np.isfinite(np.linalg.cholesky(k)).all()


@pytest.mark.parametrize("d", [0, 1, 3])
@pytest.mark.parametrize("name, more", [("rbf", 0), ("rbf" + kernel.ADDITIVE, 1)])
def test_starts_lie_inside_the_limits_and_are_straight(d, name, more):
    theta = kernel.start(d, 0.3, 1e-4, name, -3.0)
    for warped in (True, False):
        low, high = kernel.limits(d, warped, name)
        assert theta.shape == low.shape == high.shape == (3 * d + more + 2,)
        assert np.all((low <= theta) & (theta <= high))
        bend = slice(d, 3 * d)
        assert np.all((low < high)[bend] == warped)
        if not warped:
            assert np.all(low[bend] == 0) and np.all(high[bend] == 0)
        assert np.all((low < high)[:d]) and np.all((low < high)[-2:])
    assert np.all(theta[d : 3 * d] == 0)
    np.testing.assert_allclose(theta[:d], np.log(0.3 * max(d, 1) ** 0.5))
    assert theta[-1] == math.log(1e-4)


@pytest.mark.parametrize("d", [0, 1, 3])
@pytest.mark.parametrize("additive", [False, True])
def test_the_prior_is_finite_everywhere_and_highest_at_its_mode(d, additive):
    name = "matern52" + kernel.ADDITIVE * additive
    mode = kernel.start(d, kernel.LENGTH, 1e-6, name)
    fn = jax.jit(jax.value_and_grad(lambda theta: kernel.log_prior(theta, name)))
    top, slope = fn(mode)
    np.testing.assert_allclose(slope, 0, atol=1e-9)
    for end in kernel.limits(d, True, name):
        value, slope = fn(end)
        assert np.isfinite(value) and np.isfinite(slope).all() and value < top
    for step in 0.3 * np.eye(len(mode)):
        for theta in (mode + step, mode - step):
            assert fn(theta)[0] < top
            assert np.sum(fn(theta)[1] * (theta - mode)) < 0


def test_a_bend_costs_the_same_either_way_and_by_its_rate():
    theta, bend = kernel.start(1, 0.3, 1e-6), np.array([0, 1.0, 0, 0, 0])
    up, down, more = (
        kernel.log_prior(theta + times * bend, "rbf") for times in (1, -1, 2)
    )
    assert float(up) == pytest.approx(float(down))
    assert float(up - more) == pytest.approx(kernel.BEND_RATE, rel=1e-3)


@pytest.mark.parametrize("name", sorted(kernel.KERNELS))
def test_a_pure_blend_is_the_kernel(name):
    alone = kernel.covariance(THETA, A, B, name)
    both = kernel.covariance(kernel.blended(THETA, name), A, B, "blend")
    np.testing.assert_allclose(both, alone, rtol=1e-6, atol=1e-6)


def test_a_blend_keeps_the_additive_share():
    theta, name = np.insert(THETA, 3 * D, 0.4), "rbf" + kernel.ADDITIVE
    alone = kernel.covariance(theta, A, B, name)
    blend = kernel.blended(theta, name)
    both = kernel.covariance(blend, A, B, "blend" + kernel.ADDITIVE)
    np.testing.assert_allclose(both, alone, rtol=1e-6, atol=1e-6)


def test_a_share_of_nothing_changes_nothing():
    none = kernel.shared(THETA, D)
    alone = kernel.covariance(THETA, A, B, "rbf")
    both = kernel.covariance(none, A, B, "rbf" + kernel.ADDITIVE)
    np.testing.assert_allclose(both, alone, rtol=1e-6)


def test_ties_leave_one_length_for_each_dimension():
    tied = kernel.ties(6, ((1, 3),), "matern52")
    assert list(tied.chosen) == [False, True, False, False]
    free = np.arange(14.0)  # 4 lengths, 8 of the warp, signal and noise
    theta = np.asarray(tied.whole(free))
    lengths = [0, *[1 + kernel.CHOICE] * 3, 2, 3]
    np.testing.assert_allclose(theta[:6], lengths)
    np.testing.assert_array_equal(theta[6:12], [4, 5, 5, 5, 6, 7])
    np.testing.assert_array_equal(theta[-2:], [12, 13])


@pytest.mark.parametrize("name", ["matern52", "matern52+additive", Infinite("relu", 2)])
def test_without_choices_all_is_free(name):
    theta = kernel.start(3, 0.3, 1e-4, name)
    tied = kernel.ties(3, (), name)
    np.testing.assert_array_equal(tied.whole(theta), theta)
    assert not tied.chosen.any()


def test_two_choices_are_as_far_apart_as_two_numbers_on_the_average():
    # Of uniform numbers the squared difference is 1/6 in the mean.
    assert math.exp(-2 * kernel.CHOICE) * 2 == pytest.approx(1 / 6)
