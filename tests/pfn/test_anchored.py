from dataclasses import replace

import jax
import numpy as np
import pytest

from pfnbo.pfn import anchored, kernel_head, row_token
from pfnbo.pfn.anchored import Config, leave_one_out
from pfnbo.pfn.models import begun
from pfnbo.pfn.network import put_together, structure, taken_apart

SMALL = Config(
    kernel_head.Config(3, 2, cell_width=8, cell_blocks=1, width=16, heads=2),
    row_token.Config(width=16, layers=1, heads=2, cell_width=8, components=2),
)
N, D, Q = 16, 2, 7


@pytest.fixture(scope="module")
def params():
    return taken_apart(SMALL.build(jax.random.key(0)))[1]


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    x, queries = random.random((N, D)), random.random((Q, D))
    y = np.sin(5 * x[:, 0]) + x[:, 1] ** 2
    return x, (y - y.mean()) / y.std(), np.ones(N, bool), queries


def test_an_untrained_one_is_the_kernel_head_but_for_what_it_mixes_in(params, table):
    x, y, seen, queries = table
    with jax.enable_x64(True):
        whole = put_together(structure(SMALL), params)
        own = put_together(structure(SMALL.kernel), params["kernel"])
        at = jax.jit(lambda: whole(x, y, seen, np.ones(D, bool), queries))()
        plain = jax.jit(lambda: own(x, y, seen, np.ones(D, bool), queries))()
        values = np.asarray(plain.mean)
        share = 1 / (1 + np.exp(anchored.RARE))
        ours, theirs = np.exp(at.log_prob(values)), np.exp(plain.log_prob(values))
    assert np.all(ours >= share * theirs * (1 - 1e-6))
    np.testing.assert_allclose(ours, theirs, rtol=0.02)


def test_leaving_one_out_is_a_prediction_from_the_others(params, table):
    x, y, seen, _ = table
    with jax.enable_x64(True):
        own = put_together(structure(SMALL.kernel), params["kernel"])
        particles = jax.jit(lambda: own.infer(x, y, seen, np.ones(D, bool)))()
        others = leave_one_out(particles, x, y, seen).components
        for i in (0, 9):
            rest = seen & (np.arange(N) != i)
            at = kernel_head.predict(particles, x, y * rest, rest, x[i : i + 1])
            np.testing.assert_allclose(others.loc[i], at.components.loc[0], rtol=1e-5)
            np.testing.assert_allclose(
                others.scale[i], at.components.scale[0], rtol=1e-5
            )


def test_training_leaves_the_kernel_head_alone(params, table):
    x, y, seen, queries = table

    @jax.jit
    @jax.grad
    def slope(params):
        whole = put_together(structure(SMALL), params)
        return whole(x, y, seen, np.ones(D, bool), queries).log_prob(0.3).sum()

    with jax.enable_x64(True):
        gradient = slope(params)
    assert not any(np.any(a) for a in jax.tree.leaves(gradient["kernel"]))
    assert np.any(gradient["move"]["kernel"]) and np.any(gradient["row"]["out"]["bias"])


def test_one_that_grew_layers_keeps_its_kernel_head(params):
    deep = replace(SMALL, row=replace(SMALL.row, layers=2))
    fresh = taken_apart(deep.build(jax.random.key(1)))[1]
    grown = begun(deep, fresh, SMALL, params)
    assert jax.tree.map(np.shape, grown) == jax.tree.map(np.shape, fresh)
    assert grown["kernel"] is params["kernel"] and grown["move"] is params["move"]
    assert set(grown["row"]["attention"]) == {"0", "1"}
    assert begun(deep, fresh, SMALL.kernel, params["kernel"])["row"] is fresh["row"]
