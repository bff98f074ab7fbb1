import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pfnbo.exadam import exadam, scale_by_exadam

STEPS = 50


def oracle(theta, gradients, version, decay, rate, b1=0.9, b2=0.999, eps=1e-8):
    """Transcribe arXiv 2412.20302 line by line."""
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        alpha = rate(t - 1)
        theta = theta - alpha * decay * theta
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        d1 = 1 + v / (v + eps) * b2**t
        d2 = 1 + m**2 / (m**2 + eps) * b1**t
        m_tilde = m / (1 - b1**t) * d1
        v_tilde = v / (1 - b2**t) * d2
        g_tilde = g / (1 - b1**t) * d1
        if version == 1:
            alpha *= np.log(np.sqrt(2) * np.sqrt(t + 1))
        theta = theta - alpha * (m_tilde + g_tilde) / (np.sqrt(v_tilde) + eps)
    return theta


def run(transformation, params, gradients):
    step, state = jax.jit(transformation.update), transformation.init(params)
    for gradient in gradients:
        updates, state = step({"w": gradient}, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("rate", [1e-2, optax.linear_schedule(1e-2, 0.0, STEPS)])
def test_fifty_steps_match_numpy(version, decay, rate):
    rng = np.random.default_rng(0)
    theta, gradients = rng.normal(size=7), rng.normal(size=(STEPS, 7))
    gradients *= 10.0 ** np.arange(-5, 2)  # from eps mattering to not
    rates = rate if callable(rate) else lambda t: rate
    with jax.enable_x64(True):
        params = {"w": jnp.asarray(theta)}
        optimizer = exadam(rate, weight_decay=decay, version=version)
        found, _ = run(optimizer, params, gradients)
        wanted = oracle(
            theta, gradients, version, decay, lambda t: np.float64(rates(t))
        )
        assert found["w"].dtype == jnp.float64
        np.testing.assert_allclose(found["w"], wanted, rtol=1e-6, atol=1e-6)


def test_bfloat16_parameters_move_as_in_float32():
    gradients = np.random.default_rng(0).normal(size=(20, 3))
    narrow, state = run(
        exadam(1e-2),
        {"w": jnp.zeros(3, jnp.bfloat16)},
        jnp.asarray(gradients, jnp.bfloat16),
    )
    wide, _ = run(exadam(1e-2), {"w": jnp.zeros(3)}, jnp.asarray(gradients))
    assert narrow["w"].dtype == jnp.bfloat16
    assert state[0].nu["w"].dtype == jnp.float32
    assert state[0].count == 20
    np.testing.assert_allclose(narrow["w"].astype(jnp.float32), wide["w"], atol=5e-3)


def test_zero_gradients_leave_the_parameters_alone():
    params, _ = run(exadam(), {"w": jnp.ones(3)}, [jnp.zeros(3)] * 2)
    np.testing.assert_array_equal(params["w"], 1)


def test_unknown_version_is_refused():
    with pytest.raises(ValueError, match="wanted 1 or 2"):
        scale_by_exadam(version=3)


def test_steps_along_a_steady_gradient_against_adams():
    optimizer = exadam(1.0)
    params = {"w": jnp.zeros(())}
    state, steps = optimizer.init(params), {}
    update = jax.jit(optimizer.update)
    for t in range(1, 4001):
        updates, state = update({"w": jnp.ones(())}, state, params)
        steps[t] = -float(updates["w"])  # Adam's is 1
    assert steps[1] == pytest.approx(16, rel=0.01)
    assert steps[20] == pytest.approx(4, rel=0.02)
    assert steps[4000] == pytest.approx(2, rel=0.02)
