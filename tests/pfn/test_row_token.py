from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo.bars import Bars
from pfnbo.pfn.models import begun
from pfnbo.pfn.network import put_together, structure, taken_apart
from pfnbo.pfn.row_token import Config

SMALL = Config(width=16, layers=2, heads=2, cell_width=8, components=3)
FIXED = Config(width=16, layers=2, heads=2, cell_width=8, components=0, bars=20)
N, D, Q = 16, 3, 5
ORDER = np.random.default_rng(1).permutation(N)


def moved(config):
    """Parameters of a network whose zero layers are not zero, as after training."""
    params = taken_apart(config.build(jax.random.key(0)))[1]
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    pairs = zip(leaves, keys, strict=True)
    new = [a + 0.2 * jax.random.normal(k, a.shape) for a, k in pairs]
    return jax.tree.unflatten(tree, new)


def called(config, params, x, y, queries, seen, columns):
    network = put_together(structure(config), params)
    return network(x, jnp.where(seen, y, 0.0), seen, columns, queries)


@pytest.fixture(scope="module", params=[SMALL, FIXED], ids=["normals", "bars"])
def asked(request):
    """Return a function of a table that gives mean and deviation at its queries."""
    config = request.param
    params = moved(config)

    @jax.jit
    def moments(*args):
        at = called(config, params, *args)
        return at.mean, at.var**0.5

    def ask(x, y, queries, seen=None, columns=None):
        seen = np.ones(len(y), bool) if seen is None else seen
        columns = np.ones(x.shape[1], bool) if columns is None else columns
        return np.array(moments(x, y, queries, seen, columns))

    return ask


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    x, queries = random.random((N, D)), random.random((Q, D))
    return x, np.sin(5 * x[:, 0]) + x[:, 1], queries


def test_a_prediction_depends_on_the_data_and_the_query(asked, table):
    x, y, queries = table
    mean, sd = asked(x, y, queries)
    assert mean.shape == sd.shape == (Q,)
    assert np.ptp(mean) > 1e-3 and np.all(sd > 0)
    assert np.abs(asked(x, -y, queries)[0] - mean).max() > 1e-3


def test_the_order_of_rows_does_not_matter(asked, table):
    x, y, queries = table
    np.testing.assert_allclose(
        asked(x[ORDER], y[ORDER], queries), asked(x, y, queries), atol=1e-4
    )


def test_the_order_of_columns_does_not_matter(asked, table):
    x, y, queries = table
    order = [2, 0, 1]
    swapped = asked(x[:, order], y, queries[:, order])
    np.testing.assert_allclose(swapped, asked(x, y, queries), atol=1e-4)


def test_queries_do_not_see_each_other(asked, table):
    x, y, queries = table
    alone = np.concatenate([asked(x, y, q[None]) for q in queries], 1)
    np.testing.assert_allclose(alone, asked(x, y, queries), atol=1e-4)


def test_unseen_rows_and_absent_columns_change_nothing(asked, table):
    x, y, queries = table
    wide, far = np.full((2 * N, D + 2), 0.5), np.full((Q, D + 2), 0.7)
    wide[:N, :D], wide[N:, :D], far[:, :D] = x, 0.123, queries
    seen, columns = np.arange(2 * N) < N, np.arange(D + 2) < D
    padded = asked(wide, np.append(y, y), far, seen, columns)
    np.testing.assert_allclose(padded, asked(x, y, queries), atol=1e-4)


@pytest.mark.parametrize("config", [SMALL, FIXED], ids=["normals", "bars"])
def test_gradients_are_finite_with_absent_rows_and_columns(config, table):
    x, y, queries = table
    seen, columns = np.arange(N) < 1, np.arange(D) < 1

    @jax.jit
    @jax.grad
    def slope(params):
        at = called(config, params, x, y, queries, seen, columns)
        return at.log_prob(0.3).sum()

    flat = jax.tree.leaves(slope(taken_apart(config.build(jax.random.key(0)))[1]))
    assert all(np.isfinite(a).all() for a in flat)


def test_fixed_bars_are_the_published_head(table):
    x, y, queries = table
    at = called(FIXED, moved(FIXED), x, y, queries, np.ones(N, bool), np.ones(D, bool))
    assert isinstance(at, Bars) and at.logits.shape == (Q, FIXED.bars)


def test_parameters_are_float32_in_a_float64_scope():
    with jax.enable_x64(True):
        made = jax.eval_shape(lambda: taken_apart(SMALL.build(jax.random.key(0)))[1])
    assert {str(a.dtype) for a in jax.tree.leaves(made)} == {"float32"}


def test_a_network_that_grew_layers_predicts_the_same(table):
    x, y, queries = table
    there = np.ones(N, bool), np.ones(D, bool)
    deep = replace(SMALL, layers=3)
    params, fresh = moved(SMALL), taken_apart(deep.build(jax.random.key(2)))[1]
    grown = begun(deep, fresh, SMALL, params)
    assert jax.tree.map(jnp.shape, grown) == jax.tree.map(jnp.shape, fresh)
    before = called(SMALL, params, x, y, queries, *there)
    after = called(deep, grown, x, y, queries, *there)
    np.testing.assert_allclose(after.mean, before.mean, rtol=1e-5)
    np.testing.assert_allclose(after.var, before.var, rtol=1e-5)


def test_only_a_shallower_network_grows():
    params, fresh = moved(SMALL), taken_apart(SMALL.build(jax.random.key(2)))[1]
    for known in (replace(SMALL, layers=3), replace(SMALL, width=8), SMALL):
        assert begun(SMALL, fresh, known, params) is params
