import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo.tasks import gp, trend
from pfnbo.tasks.columns import Columns
from pfnbo.tasks.constrained import Constrained
from pfnbo.tasks.design import Design, around
from pfnbo.tasks.fidelity import Curves
from pfnbo.tasks.mix import either, mix
from pfnbo.tasks.noise import Absolute, Noise
from pfnbo.tasks.observed import Observed
from pfnbo.tasks.task import Sizes, draw

SIZES = Sizes(capacity=12, queries=6, columns=4)
DESIGN = Design(columns=Columns(integer=0.5, one_hot=0.3))
FUNCTIONS = either({"linear": (1.0, trend.linear), "bowl": (1.0, trend.Bowl())})
PRIORS = {
    "exact": gp.Exact(gp.Gp(), DESIGN),
    "observed": Observed(trend.linear, DESIGN),
    "mix": mix((0.5, gp.Exact()), (0.5, Observed(FUNCTIONS, signed=True))),
    "curves": Curves(),
    "constrained": Constrained(),
}


@pytest.mark.parametrize(
    ("name", "double"), [*((name, False) for name in PRIORS), ("exact", True)]
)
def test_a_prior_keeps_the_contract(name, double):
    prior = PRIORS[name]
    outputs = (3,) if name == "constrained" else ()
    with jax.enable_x64(double):
        run = jax.jit(lambda k: draw(k, prior, SIZES, 32, 8))
        task, again = run(jax.random.key(0)), run(jax.random.key(0))
        float_type = jnp.zeros(()).dtype
    task, again = jax.device_get((task, again))
    assert task.x.shape == (32, 18, 4) and task.y.shape == (32, *outputs, 18)
    assert task.seen.shape == (32, 12) and task.columns.shape == (32, 4)
    assert task.mean.shape == task.sd.shape == (32, *outputs, 6)
    assert task.x.dtype == task.y.dtype == task.mean.dtype == float_type
    assert task.family.dtype == jnp.int32
    assert np.isfinite(task.y).all()
    assert (task.x >= 0).all() and (task.x <= 1).all()
    there = np.broadcast_to(task.columns[:, None], task.x.shape)
    assert (task.x[~there] == 0.5).all()
    assert task.seen.any(1).all() and task.columns.any(1).all()
    assert (task.family < len(prior.families)).all()
    jax.tree.map(np.testing.assert_array_equal, task, again)


def test_families_are_numbered_across_a_mixture():
    prior = PRIORS["mix"]
    assert prior.families == ("gp", "linear", "bowl")
    task = jax.jit(lambda k: draw(k, prior, SIZES, 64, 32))(jax.random.key(0))
    assert set(task.family.tolist()) == {0, 1, 2}
    known = np.isfinite(task.mean).all(1)
    np.testing.assert_array_equal(known, task.family == 0)


def test_draw_is_traced_once():
    traces = []

    @jax.jit
    def run(key):
        traces.append(1)
        return draw(key, PRIORS["observed"], SIZES, 8, 2)

    for seed in range(4):
        run(jax.random.key(seed))
    assert len(traces) == 1


def test_a_batch_of_unequal_groups_is_refused():
    with pytest.raises(ValueError, match="multiple of groups"):
        draw(jax.random.key(0), PRIORS["observed"], SIZES, 10, 3)


def test_noise_is_absent_or_of_its_level():
    values, live = jnp.linspace(0, 1, 500), jnp.ones(500, bool)
    keys = jax.random.split(jax.random.key(0), 400)
    add = jax.jit(jax.vmap(lambda k: Noise().add(k, values, live)))
    error = np.std(np.asarray(add(keys)) - values, axis=1) / np.std(values)
    assert abs(np.mean(error == 0) - 0.4) < 0.08
    assert error[error > 0].min() > 1e-5 and error.max() < 1.5
    spread = np.std(Absolute(0.1, 0.1).add(keys[0], values, live) - values)
    assert abs(spread - 0.1) < 0.02


def test_clusters_lie_around_the_best_row():
    tasks = jax.jit(lambda k: draw(k, PRIORS["observed"], Sizes(40, 20, 3), 64, 4))(
        jax.random.key(0)
    )
    x, y, seen = map(np.asarray, (tasks.x, tasks.y, tasks.seen))
    best = np.argmax(np.where(seen, y[:, :40], -np.inf), 1)
    centre = x[np.arange(64), best][:, None]
    gap = np.abs(x[:, 40:] - centre).max(2)
    assert np.mean(gap < 0.1) > 0.2  # uniform queries would seldom come so near


def test_around_stays_in_the_cube_and_moves_some_axes_alone():
    columns = jnp.array([True, True, True])
    centre = jnp.array([0.5, 0.5, 0.5])
    x = np.asarray(around(jax.random.key(0), centre, columns, 2000))
    moved = (x != 0.5).sum(1)
    assert x.min() >= 0 and x.max() <= 1
    assert 0.13 < np.mean(moved == 1) < 0.27 and np.mean(moved == 0) > 0.005


def test_discrete_columns_lie_on_their_grid():
    columns = jnp.ones(4, bool)
    snap = Columns(integer=1.0).snap(jax.random.key(2), columns)
    x = np.asarray(snap(jax.random.uniform(jax.random.key(1), (100, 4))))
    for column, levels in zip(x.T, np.asarray(snap.levels), strict=True):
        if levels:
            steps = column * (levels - 1)
            np.testing.assert_allclose(steps, np.round(steps), atol=1e-5)
    one_hot = Columns(one_hot=1.0).snap(jax.random.key(1), columns)
    width = int(one_hot.width)
    rows = one_hot(jax.random.uniform(jax.random.key(1), (10, 4)))
    assert width >= 2
    np.testing.assert_array_equal(jnp.sum(rows[:, :width], 1), 1)


@pytest.mark.parametrize("share", [1e-2, 0.3])
def test_constraints_hold_together_in_the_share_asked_for(share):
    prior = Constrained(smallest=share, largest=share * 1.0001)
    columns = jnp.ones(3, bool)
    f = prior.outputs(jax.random.key(0), jax.random.key(1), columns)
    g = f(jax.random.uniform(jax.random.key(2), (20000, 3)))[1:]
    found = float(jnp.mean(jnp.all(g <= 0, 0)))
    assert share / 2 < found < share * 2
