import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from pfnbo import bfgs

D = 5
LOW, HIGH = np.full(D, -1.0), np.full(D, 1.0)


def _quadratic(x, matrix, centre):
    return 0.5 * (x - centre) @ matrix @ (x - centre)


@jax.jit
def _solve(matrix, centre, x, low, high):
    fn = jax.value_and_grad(lambda x: _quadratic(x, matrix, centre))
    return bfgs.minimize(fn, x, low, high, steps=200, tolerance=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_quadratics_in_a_box_agree_with_scipy(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(D, D))
    matrix, centre = root @ root.T + 0.1 * np.eye(D), rng.normal(size=D)
    start = rng.uniform(-1, 1, D)
    with jax.enable_x64(True):
        x, value = _solve(matrix, centre, start, LOW, HIGH)
    known = scipy.optimize.minimize(
        _quadratic,
        start,
        (matrix, centre),
        jac=lambda x, m, c: m @ (x - c),
        method="L-BFGS-B",
        bounds=list(zip(LOW, HIGH, strict=True)),
        options=dict(ftol=1e-14, gtol=1e-9),
    )
    assert float(value) == pytest.approx(known.fun, rel=1e-6, abs=1e-9)
    assert np.all(np.abs(np.asarray(x)) <= 1)


@pytest.mark.parametrize("steps", [0, 1, 3, 10])
def test_the_end_is_never_worse_than_the_start(steps):
    def bumpy(x):
        return jnp.sum(jnp.sin(20 * x) + x**2) + jnp.abs(x[0])

    run = jax.jit(
        jax.vmap(
            lambda x: bfgs.minimize(
                jax.value_and_grad(bumpy), x, LOW, HIGH, steps=steps
            )
        )
    )
    starts = np.random.default_rng(0).uniform(-1, 1, (64, D))
    with jax.enable_x64(True):
        x, value = run(starts)
        before, after = jax.vmap(bumpy)(starts), jax.vmap(bumpy)(x)
    assert np.all(np.asarray(value) <= np.asarray(before) + 1e-12)
    np.testing.assert_allclose(after, value)


def test_fixed_coordinates_stay_and_the_rest_is_solved():
    low, high = LOW.copy(), HIGH.copy()
    low[2] = high[2] = 0.7
    with jax.enable_x64(True):
        x, _ = _solve(np.eye(D), np.full(D, 0.1), np.zeros(D), low, high)
    expected = np.full(D, 0.1)
    expected[2] = 0.7
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_a_start_outside_is_clipped_and_nan_returns_it():
    with jax.enable_x64(True):
        x, _ = _solve(np.eye(D), np.full(D, 9.0), np.full(D, 5.0), LOW, HIGH)
        np.testing.assert_array_equal(x, HIGH)
        fn = jax.value_and_grad(lambda x: jnp.log(x[0]))
        x, value = bfgs.minimize(fn, jnp.full(D, -0.5), LOW, HIGH, steps=5)
    np.testing.assert_array_equal(x, np.full(D, -0.5))
    assert np.isnan(value)


def test_a_wall_of_nan_is_not_entered():
    with jax.enable_x64(True):
        fn = jax.value_and_grad(lambda x: jnp.sum(x) - 1e-3 * jnp.sum(jnp.log(x)))
        x, value = bfgs.minimize(fn, jnp.full(D, 0.9), LOW, HIGH, steps=200)
    assert np.isfinite(value)
    np.testing.assert_allclose(x, 1e-3, rtol=0.05)
