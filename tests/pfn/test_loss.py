import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.pfn.loss import loss, standardized
from pfnbo.predictive import Normal
from pfnbo.tasks.task import Task


def table(mean=np.nan, sd=np.nan, y=(1.0, 3.0, 9.0, 2.5)):
    return Task(
        x=jnp.full((4, 1), 0.5),
        y=jnp.array(y),
        seen=jnp.array([True, True, False]),
        columns=jnp.array([True]),
        mean=jnp.array([mean]),
        sd=jnp.array([sd]),
        family=jnp.int32(0),
    )


def says(loc, scale):
    return lambda *_: Normal(jnp.array([loc]), jnp.array([scale]))


def test_units_are_those_of_the_seen_rows():
    task = standardized(table(mean=2.0, sd=0.5))
    np.testing.assert_allclose(task.y, [-1, 1, 7, 0.5])
    np.testing.assert_allclose([task.mean[0], task.sd[0]], [0, 0.5])


def test_a_constant_context_keeps_its_scale():
    task = standardized(table(y=(2.0, 2.0, 0.0, 2.5)))
    np.testing.assert_allclose(task.y[-1], 0.5)


def test_the_exact_predictive_has_no_excess_and_any_other_has():
    task = standardized(table(mean=2.0, sd=0.5))
    exact = loss(says(0.0, 0.5), task)
    assert abs(exact) < 2e-3
    assert loss(says(0.2, 0.5), task) > exact + 0.05
    assert loss(says(0.0, 0.9), task) > exact + 0.05


def test_excess_is_the_divergence_of_two_normals():
    task = standardized(table(mean=2.0, sd=0.5))
    divergence = np.log(0.8 / 0.5) + (0.25 + 0.09) / (2 * 0.64) - 0.5
    np.testing.assert_allclose(loss(says(0.3, 0.8), task), divergence, atol=2e-3)


def test_without_the_truth_the_drawn_value_is_scored():
    value = loss(says(0.0, 1.0), standardized(table()))
    np.testing.assert_allclose(value, 0.5 * np.log(2 * np.pi) + 0.125, atol=2e-3)
    told = standardized(table(mean=2.0, sd=0.5))
    np.testing.assert_allclose(loss(says(0.0, 1.0), told, exact=False), value)


def test_a_hopeless_prediction_costs_a_bounded_loss():
    assert loss(says(5.0, 1e-6), standardized(table())) < 12


def test_gradients_are_finite_where_the_truth_is_unknown():
    def value(loc):
        return loss(lambda *_: Normal(loc[None], jnp.ones(1)), standardized(table()))

    assert jnp.isfinite(jax.grad(value)(jnp.zeros(())))
