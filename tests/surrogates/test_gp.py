import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import GP
from pfnbo.data import Data, pad
from pfnbo.surrogates import gp

D, N, SIZE = 2, 12, 32
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(N, D))
Y = np.stack([np.sin(5 * X[:, 0]) + X[:, 1], np.cos(3 * X.sum(axis=1))])
Y = (Y - Y.mean(axis=1, keepdims=True)) / Y.std(axis=1, keepdims=True)
NEW = RNG.uniform(size=(6, D))


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _gram(theta, a, b):
    scaled = (a[:, None] - b[None]) / np.exp(theta[:D])
    r = np.sqrt(5 * np.sum(scaled**2, axis=-1))
    return np.exp(theta[D]) * (1 + r + r**2 / 3) * np.exp(-r) + gp.MEAN_VARIANCE


def _noise(theta):
    return np.exp(theta[-1]) + 1e-10 * np.exp(theta[D])


def _posterior(x=X, y=Y, size=SIZE, noise=None):
    return GP(noise=noise).fit(pad(x, y, size))


def _predict(posterior, x):
    normal = jax.vmap(posterior.predict, out_axes=1)(jnp.asarray(x))
    return np.asarray(normal.loc), np.asarray(normal.scale)


def test_predictions_equal_dense_algebra():
    posterior = _posterior()
    loc, scale = _predict(posterior, NEW)
    for i, theta in enumerate(np.asarray(posterior.theta)):
        k = _gram(theta, X, X) + _noise(theta) * np.eye(N)
        cross = _gram(theta, NEW, X)
        cov = _gram(theta, NEW, NEW) - cross @ np.linalg.solve(k, cross.T)
        mean = cross @ np.linalg.solve(k, Y[i])
        np.testing.assert_allclose(loc[i], mean, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(scale[i] ** 2, np.diag(cov), rtol=1e-3, atol=1e-6)
        ours = posterior.covariance(NEW, NEW)[i]
        np.testing.assert_allclose(ours, cov, rtol=1e-3, atol=1e-6)


def test_leave_one_out_equals_leaving_one_out():
    posterior = _posterior(noise=0.1)
    normal = posterior.leave_one_out()
    for i, theta in enumerate(np.asarray(posterior.theta)):
        for j in range(N):
            kept = np.arange(N) != j
            k = _gram(theta, X[kept], X[kept]) + _noise(theta) * np.eye(N - 1)
            cross = _gram(theta, X[j : j + 1], X[kept])[0]
            mean = cross @ np.linalg.solve(k, Y[i, kept])
            prior = np.exp(theta[D]) + gp.MEAN_VARIANCE + _noise(theta)
            var = prior - cross @ np.linalg.solve(k, cross)
            assert float(normal.loc[i, j]) == pytest.approx(mean, abs=1e-6)
            assert float(normal.scale[i, j]) == pytest.approx(var**0.5, rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 8, 32])
def test_inverse_root_equals_numpy(n):
    a = np.random.default_rng(n).normal(size=(n, n))
    k = a @ a.T + np.eye(n)
    root, diagonal = jax.jit(gp.inverse_root)(k)
    chol = np.linalg.cholesky(k)
    np.testing.assert_allclose(root, np.linalg.inv(chol), atol=1e-10)
    np.testing.assert_allclose(diagonal, np.diag(chol))


def test_log_evidence_and_its_gradient_equal_autodiff():
    def plain(k, y):
        return -0.5 * y @ jnp.linalg.solve(k, y) - 0.5 * jnp.linalg.slogdet(k)[1]

    a = np.random.default_rng(1).normal(size=(8, 8))
    base, y = a @ a.T + np.eye(8), np.arange(8.0)
    direction = np.diag(np.arange(8.0)) + 0.3

    def along(fn):
        return lambda t, y: fn(base + t * direction, y)

    for fn in (gp.log_evidence, plain):
        value, grads = jax.value_and_grad(along(fn), (0, 1))(0.5, y)
        if fn is gp.log_evidence:
            expected = value, grads
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-10)
    np.testing.assert_allclose(grads[0], expected[1][0], rtol=1e-8)
    np.testing.assert_allclose(grads[1], expected[1][1], rtol=1e-8)


def test_the_fit_is_a_maximum_of_the_posterior_density():
    posterior = _posterior()
    data = pad(X, Y, SIZE)

    def density(theta, i):
        k = gp._gram(theta, data.x, jnp.asarray(data.seen[i]), "matern52")
        return gp.log_evidence(k, jnp.asarray(data.y[i])) + gp._log_prior(theta)

    for i in range(2):
        theta = posterior.theta[i]
        value, grad = jax.value_and_grad(density)(theta, i)
        assert float(value) == pytest.approx(float(posterior.evidence[i]), abs=1e-6)
        for delta in np.eye(D + 2) * 0.2:
            inside = theta[-1] - delta[-1] > np.log(gp.NOISE_FLOOR)
            assert density(theta + delta, i) < value + 0.02
            assert density(theta - delta, i) < value + 0.02 or not inside


def test_unseen_rows_change_nothing():
    y = np.concatenate([Y, Y[:1]])
    y[2, [0, 4]] = np.nan
    both = _posterior(y=y)
    kept = ~np.isnan(y[2])
    alone = _posterior(X[kept], y[:2, kept][[0, 0, 0]])
    for a, b in zip(_predict(both, NEW), _predict(alone, NEW), strict=True):
        np.testing.assert_allclose(a[2], b[0], rtol=1e-3, atol=1e-4)
    data = pad(X, y, SIZE)
    other = Data(np.where(np.arange(SIZE)[:, None] < N, data.x, 0.1), data.y, data.seen)
    for a, b in zip(
        _predict(both, NEW), _predict(both.condition(other), NEW), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_conditioning_equals_starting_from_all_the_data():
    posterior = _posterior(X[:-1], Y[:, :-1], noise=0.1)
    more = posterior.condition(pad(X, Y, SIZE))
    loc, scale = _predict(more, NEW)
    for i, theta in enumerate(np.asarray(posterior.theta)):
        k = _gram(theta, X, X) + _noise(theta) * np.eye(N)
        cross = _gram(theta, NEW, X)
        np.testing.assert_allclose(loc[i], cross @ np.linalg.solve(k, Y[i]), atol=1e-8)
        prior = np.exp(theta[D]) + gp.MEAN_VARIANCE
        var = prior - np.sum(cross * np.linalg.solve(k, cross.T).T, axis=1)
        np.testing.assert_allclose(scale[i] ** 2, var, rtol=1e-6)


def test_samples_have_the_joint_moments():
    posterior = _posterior(noise=0.1)
    draws = np.asarray(posterior.sample(jax.random.key(0), jnp.asarray(NEW), 40_000))
    loc, _ = _predict(posterior, NEW)
    cov = np.asarray(posterior.covariance(NEW, NEW))
    for i in range(2):
        size = cov[i].diagonal().max()
        got = np.cov(draws[:, i].T)
        np.testing.assert_allclose(draws[:, i].mean(0), loc[i], atol=0.03 * size**0.5)
        np.testing.assert_allclose(got, cov[i], atol=0.04 * size)


@pytest.mark.parametrize("noise", [None, 0.0])
def test_noise_free_data_is_interpolated(noise):
    loc, scale = _predict(_posterior(noise=noise), X)
    np.testing.assert_allclose(loc, Y, atol=1e-4)
    assert np.all(scale < 1e-3)


@pytest.mark.parametrize(
    "x, y",
    [
        (X[:1], np.zeros((2, 1))),
        (np.repeat(X[:1], 6, 0), np.tile(Y[:, :3], 2)),
        (X, np.zeros((2, N))),
        (X, np.full((2, N), np.nan)),
        (X[:0], np.zeros((2, 0))),
    ],
    ids=["one point", "ties", "constant", "all unknown", "no point"],
)
def test_degenerate_data_gives_finite_predictions(x, y):
    posterior = _posterior(x, y)
    for part in (*_predict(posterior, NEW), posterior.theta, posterior.evidence):
        assert np.isfinite(part).all()


def test_a_fixed_noise_is_kept():
    theta = _posterior(noise=0.1).theta
    np.testing.assert_allclose(np.exp(theta[:, -1]), 0.01 + gp.NOISE_FLOOR)


@pytest.mark.parametrize("kernel", sorted(gp.KERNELS))
def test_kernels_are_correlations_with_finite_slopes(kernel):
    fn = gp.KERNELS[kernel]
    assert float(fn(jnp.asarray(0.0))) == pytest.approx(1, abs=1e-9)
    grid = fn(jnp.linspace(0, 30, 50))
    assert np.all(np.diff(grid) < 0) and np.all(grid >= 0)
    assert np.isfinite(jax.grad(fn)(0.0))
