from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import GP
from pfnbo.data import pad
from pfnbo.kernel import (
    ADDITIVE,
    KERNELS,
    MEAN_VARIANCE,
    NOISE_FLOOR,
    covariance,
    start,
)
from pfnbo.surrogates import draws

D, N, SIZE = 2, 12, 32
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(N, D))
# The second output has a pole, so that its warp is bent.
Y = np.stack([np.sin(5 * X[:, 0]) + X[:, 1], 1 / (X.sum(axis=1) + 0.02)])
Y = (Y - Y.mean(axis=1, keepdims=True)) / Y.std(axis=1, keepdims=True)
# As many as X, so that both share a program.
NEW = jnp.asarray(np.concatenate([RNG.uniform(size=(N - 1, D)), np.ones((1, D))]))
COUNT, FEATURES = 1000, 128


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _posterior(kernel="matern52", noise=0.3, y=Y):
    return GP(kernel, noise=noise).fit(KEY, pad(X, y, SIZE))


@jax.jit
def _values(posterior, key, x):
    return jax.vmap(posterior.path(key, FEATURES))(x).T


@jax.jit
def _many_values(posterior, keys, x):
    return jax.vmap(_values, (None, 0, None))(posterior, keys, x)


def _many(posterior, x):
    keys = jax.random.split(jax.random.key(1), COUNT)
    return np.asarray(_many_values(posterior, keys, x))


@jax.jit
def _covariance(posterior):
    return posterior.covariance(NEW, NEW)


_noise_free = jax.jit(
    lambda posterior, n, quiet=NOISE_FLOOR: posterior.noise_free(
        jax.random.key(2), n, quiet
    ),
    static_argnums=1,
)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_waves_have_the_covariance_of_the_kernel(kernel):
    waves = draws.frequencies(jax.random.key(0), kernel, (200_000, D), float)
    for gap in (np.array([0.3, 0.1]), np.array([1.0, -1.0])):
        got = float(jnp.mean(jnp.cos(waves @ gap)))
        assert got == pytest.approx(float(KERNELS[kernel](gap @ gap)), abs=0.005)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_waves_with_heavy_tails_have_the_covariance_of_the_kernel(kernel):
    waves, shares = draws.tailed(jax.random.key(0), kernel, (200_000, D), float)
    assert float(shares.sum()) == pytest.approx(1.0)
    for gap in (np.array([0.3, 0.1]), np.array([1.0, -1.0])):
        got = float(shares @ jnp.cos(waves @ gap))
        assert got == pytest.approx(float(KERNELS[kernel](gap @ gap)), abs=0.005)


@pytest.mark.parametrize("d", [1, 3])
def test_waves_of_one_column_have_the_covariance_of_the_additive_kernel(d):
    name, gap = "rbf" + ADDITIVE, np.array([0.3, 0.1, -0.5])[:d]
    theta = start(d, 1.0, 1e-4, name, 0.7)
    waves, shares = draws.spectrum(KEY, name, theta[None], 100_000, d)
    got = float(jnp.sum(shares[0] * jnp.cos(waves[0] @ gap)))
    theta[:d] = 0.0  # length-scales are applied later
    one = covariance(theta, gap[None], 0 * gap[None], name)[0, 0] - MEAN_VARIANCE
    assert got == pytest.approx(float(one), abs=0.005)
    assert float(shares.sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("kernel", ["rbf", "matern12", "matern52"])
def test_paths_have_the_moments_of_the_posterior(kernel):
    posterior = _posterior(kernel)
    values = _many(posterior, NEW)
    mean = np.asarray(posterior.means(NEW))
    cov = np.asarray(_covariance(posterior))
    for i in range(2):
        size = cov[i].diagonal()
        # Five standard errors of a mean and of a covariance of COUNT normal draws.
        five = 5 * np.sqrt(size / COUNT)
        assert np.all(np.abs(values[:, i].mean(0) - mean[i]) < five)
        error = np.sqrt((np.outer(size, size) + cov[i] ** 2) / COUNT)
        assert np.all(np.abs(np.cov(values[:, i].T) - cov[i]) < 5 * error)


def test_a_path_is_a_joint_draw_not_one_per_point():
    values = _many(_posterior(), NEW.at[1].set(NEW[0] + 1e-6))
    assert np.all(np.abs(values[..., 1] - values[..., 0]) < 1e-3)
    assert values[..., 0].std(axis=0).min() > 0.05


@pytest.mark.parametrize("kernel", ["rbf", "matern52"])
def test_paths_interpolate_data_without_noise(kernel):
    values = _many(_posterior(kernel, noise=0.0), jnp.asarray(X))
    np.testing.assert_allclose(values, np.broadcast_to(Y, values.shape), atol=1e-3)


_path = jax.jit(lambda posterior: posterior.path(KEY, FEATURES))
_at = jax.jit(lambda path, x: path(x))
_slope = jax.jit(jax.jacobian(lambda path, x: path(x), 1))


def test_the_slope_of_a_path_is_finite_and_right():
    path = _path(_posterior(noise=0.0))
    for x in (NEW[0], jnp.asarray(X[0])):
        assert np.isfinite(_slope(path, x)).all()
    for j, step in enumerate(1e-5 * np.eye(D)):
        rise = (_at(path, NEW[0] + step) - _at(path, NEW[0] - step)) / 2e-5
        slope = _slope(path, NEW[0])[:, j]
        np.testing.assert_allclose(slope, rise, rtol=1e-4, atol=1e-5)


def test_unseen_rows_change_no_path():
    y = Y.copy()
    y[1, [0, 4]] = np.nan
    posterior = _posterior(y=y)
    junk = np.where(np.asarray(posterior.seen), posterior.y, 7.0)
    x = jnp.where(jnp.arange(SIZE)[:, None] < N, posterior.x, 0.1)
    rows = jnp.where(posterior.seen[:, :, None], posterior.rows, 0.1)
    other = replace(posterior, x=x, rows=rows, y=jnp.asarray(junk))
    key = jax.random.key(3)
    np.testing.assert_allclose(
        _values(posterior, key, NEW), _values(other, key, NEW), rtol=1e-9
    )


def test_new_data_in_the_same_bucket_compile_nothing():
    _values(_posterior(), jax.random.key(0), NEW)
    before = _values._cache_size()
    more = GP(noise=0.3).fit(KEY, pad(X[:-2], Y[:, :-2], SIZE))
    _values(more, jax.random.key(1), NEW)
    assert _values._cache_size() == before


def test_noise_free_draws_have_the_moments_of_the_latents():
    posterior = _posterior()
    count = 20_000
    drawn = _noise_free(posterior, count)
    for i, noise in enumerate(np.asarray(posterior.noise)):
        values = np.asarray(drawn.values[:, i, :N])
        root = np.asarray(posterior.root[i, :N, :N])
        mean = Y[i] - noise * np.asarray(posterior.alpha[i, :N])
        cov = noise * (np.eye(N) - noise * root.T @ root)
        size = cov.diagonal()
        assert np.all(np.abs(values.mean(0) - mean) < 5 * np.sqrt(size / count))
        error = np.sqrt((np.outer(size, size) + cov**2) / count)
        assert np.all(np.abs(np.cov(values.T) - cov) < 5 * error + 1e-7)


def test_noise_free_posteriors_pass_through_their_draws():
    drawn = _noise_free(_posterior(), 4)
    predict = jax.jit(jax.vmap(drawn.predict, out_axes=-1))
    normal = predict(jnp.asarray(X))
    np.testing.assert_allclose(normal.loc, drawn.values[..., :N], atol=1e-4)
    assert np.all(np.asarray(normal.scale) < 1e-3)


def test_a_quiet_output_keeps_its_data_and_its_noise():
    posterior = _posterior(noise=0.01)
    drawn = _noise_free(posterior, 4, 1e-3)
    y = np.broadcast_to(posterior.y, drawn.values.shape)
    np.testing.assert_array_equal(drawn.values, y)
    np.testing.assert_allclose(drawn.shared.root, posterior.root, atol=1e-6)
