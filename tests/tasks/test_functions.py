import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo.tasks import bnn, fidelity, formula, gp, graph, mix, planted, tree, trend
from pfnbo.tasks.warp import bent, shaped, signed, standard

COLUMNS = jnp.array([True, True, True, False])
FUNCTIONS = {
    "gp": gp.Gp(),
    "features": gp.Features(size=16),
    "bnn": bnn.Bnn(layers=(3, 4), width=(4, 8)),
    "shallow": bnn.Shallow(width=8),
    "known": bnn.Known(width=8),
    "signomial": formula.Signomial(),
    "expression": formula.Tree(),
    "linear": trend.linear,
    "bowl": trend.Bowl(),
    "valley": trend.valley,
    "forest": tree.Forest(),
    "planted": planted.Planted(),
    "graph": graph.Graph(),
    "fidelity": fidelity.Autoregressive(gp.Features(size=16)),
    "warped": signed(shaped(bent(gp.Features(size=16)))),
    "sum": mix.plus(standard(trend.valley), trend.linear),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_keeps_the_contract(name):
    @jax.jit
    def run(choice, keys, x):
        return jax.vmap(lambda k: FUNCTIONS[name](choice, k, COLUMNS)(x))(keys)

    choice, keys = jax.random.key(1), jax.random.split(jax.random.key(2), 5)
    x = jax.random.uniform(jax.random.key(3), (12, 4)).at[:, 3].set(0.5)
    values = run(choice, keys, x)
    assert values.shape == (5, 12) and values.dtype == jnp.zeros(()).dtype
    assert np.isfinite(values).all()
    assert len(np.unique(values[:, 0])) > 1  # keys matter
    np.testing.assert_array_equal(values, run(choice, keys, x))
    other = run(choice, keys, x.at[:, 3].set(0.9))
    np.testing.assert_allclose(other, values, rtol=1e-4, atol=1e-4)
    later = run(choice, keys, x.at[8:].set(0.1).at[8:, 3].set(0.5))
    np.testing.assert_allclose(later[:, :8], values[:, :8], rtol=2e-3, atol=2e-3)


def test_planted_optimum_is_the_optimum():
    f, best = planted.Planted().with_optimum(
        jax.random.key(0), jax.random.key(1), COLUMNS
    )
    x = jax.random.uniform(jax.random.key(2), (2000, 4)).at[:, 3].set(0.5)
    near = jnp.clip(best + 0.01 * (x - 0.5), 0, 1)
    top = f(best[None])[0]
    assert (f(x) < top).all() and (f(near) <= top + 1e-6).all()


def test_a_known_network_is_two_layers_of_tanh():
    f, columns = bnn.Known(width=2, gain=3.0), jnp.array([True, False])
    assert f.size(2) == 14
    w = jnp.arange(14.0) / 10
    x = jnp.array([[0.9, 0.3]])
    unit = (0.9 - 0.5) * 12**0.5  # sd 1 over the cube
    first = np.tanh(3 * np.array([unit * w[0] + w[4], unit * w[1] + w[5]]))
    second = np.tanh(3 * (first @ w[6:10].reshape(2, 2) / 2**0.5 + w[10:12]))
    expected = second @ w[12:14] / 2**0.5
    np.testing.assert_allclose(f.value(w, x, columns), [expected], rtol=1e-5)


def test_standard_functions_have_unit_scale():
    f = standard(trend.valley)(jax.random.key(0), jax.random.key(1), COLUMNS)
    values = f(jax.random.uniform(jax.random.key(2), (4000, 4)))
    assert abs(values.mean()) < 0.3 and 0.6 < values.std() < 1.5


def test_reflections_keep_lengths():
    x = jax.random.normal(jax.random.key(0), (5, 3))
    turned = trend.reflect(jax.random.normal(jax.random.key(1), (2, 3)), x)
    np.testing.assert_allclose(
        jnp.linalg.norm(turned, axis=1), jnp.linalg.norm(x, axis=1), rtol=1e-5
    )
