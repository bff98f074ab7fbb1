import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo.factor import inverse_root, log_evidence


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _positive(n, seed=0):
    a = np.random.default_rng(seed).normal(size=(n, n))
    return a @ a.T + np.eye(n)


@pytest.mark.parametrize("n", [1, 2, 8, 32])
def test_inverse_root_equals_numpy(n):
    k = _positive(n)
    root, diagonal = jax.jit(inverse_root)(k)
    chol = np.linalg.cholesky(k)
    np.testing.assert_allclose(root, np.linalg.inv(chol), atol=1e-10)
    np.testing.assert_allclose(diagonal, np.diag(chol))


def test_a_matrix_that_is_not_positive_gives_nan_and_not_a_number():
    k = _positive(8) - 50 * np.eye(8)
    root, _ = inverse_root(k)
    assert np.isnan(root).any()
    assert np.isnan(log_evidence(k, np.ones(8)))


def test_log_evidence_is_a_normal_density():
    k, y = _positive(8), np.arange(8.0)
    exact = -0.5 * y @ np.linalg.solve(k, y) - 0.5 * np.linalg.slogdet(k)[1]
    assert float(log_evidence(k, y)) == pytest.approx(exact, rel=1e-12)


def test_log_evidence_and_its_gradient_equal_autodiff():
    def plain(k, y):
        return -0.5 * y @ jnp.linalg.solve(k, y) - 0.5 * jnp.linalg.slogdet(k)[1]

    base, y = _positive(8, 1), np.arange(8.0)
    # Covariances are symmetric, and so is every change of one.
    direction = np.diag(np.arange(8.0)) + 0.3

    def along(fn):
        return jax.grad(lambda t, y: 3 * fn(base + t * direction, y), (0, 1))(0.5, y)

    for ours, expected in zip(along(log_evidence), along(plain), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-8)


def test_unit_rows_add_nothing():
    k, y = _positive(4), np.arange(4.0)
    padded = np.eye(8)
    padded[:4, :4] = k
    wide = log_evidence(padded, np.append(y, np.zeros(4)))
    assert float(wide) == pytest.approx(float(log_evidence(k, y)), rel=1e-12)
