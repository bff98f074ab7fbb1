import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import Optimizer
from pfnbo.acquisition.improvement import Goal
from pfnbo.acquisition.thompson import PENALTY, thompson

GOAL = Goal(jnp.asarray(0.0), jnp.asarray(True), jnp.asarray([0.5, -1.0]))


def _path(x):
    return jnp.stack([jnp.sin(x[0]), x[0], x[0] - 2])


def test_a_feasible_draw_scores_its_objective():
    x = jnp.asarray([0.4])
    assert float(thompson(GOAL, _path, x)) == pytest.approx(np.sin(0.4))


def test_an_infeasible_draw_loses_by_its_total_violation():
    x = jnp.asarray([1.5])
    expected = np.sin(1.5) - PENALTY * (1.0 + 0.5)
    assert float(thompson(GOAL, _path, x)) == pytest.approx(expected)
    rows = jnp.linspace(1.0, 3.0, 9)[:, None]
    scores = jax.vmap(lambda x: thompson(GOAL, _path, x))(rows)
    assert np.all(np.diff(scores) < 0)
    assert jax.grad(lambda x: thompson(GOAL, _path, x))(x)[0] < 0


def test_without_constraints_it_is_the_draw():
    goal = Goal(jnp.asarray(0.0), jnp.asarray(False), jnp.zeros(0))
    x = jnp.asarray([2.0])
    assert float(thompson(goal, lambda x: jnp.sin(x), x)) == pytest.approx(np.sin(2))


def test_each_point_of_a_batch_follows_its_own_draw():
    def batch():
        study = Optimizer([(0, 1)] * 2, seed=3, n_initial=4, acquisition="thompson")
        for x in study.ask(4):
            study.tell(x, float(np.sin(9 * x[0]) + x[1]))
        return np.array(study.ask(3))

    points = batch()
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert gaps[np.triu_indices(3, 1)].min() > 1e-4
    np.testing.assert_array_equal(points, batch())


def test_a_run_with_constraints_finds_the_corner():
    study = Optimizer(
        [(0, 1)] * 2, n_constraints=1, seed=0, n_initial=4, acquisition="thompson"
    )
    for _ in range(16):
        (x,) = study.ask()
        study.tell(x, -float(x.sum()), [float(x[0] - 0.6)])
    result = study.result()
    assert result.success and result.fun < -1.55
