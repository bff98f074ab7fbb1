import numpy as np
import pytest

from pfnbo.views import (
    constraint_views,
    label_views,
    objective_views,
    stack,
    standardize,
    unit_scale,
)

VALUES = np.random.default_rng(1).normal(size=24) ** 3
SCALES = [1e-12, 1e12, 2.0**-40, 1e-300, 1e300]
BUILDERS = [objective_views, constraint_views]
# Constraint values on both sides, on the boundary, and on one side only.
SIDES = {
    "both": VALUES,
    "boundary": np.append(VALUES, 0.0),
    "mostly infeasible": VALUES + 0.5,
    "all infeasible": VALUES - VALUES.min() + 1e-3,
    "far infeasible": VALUES + 20.0,
    "all feasible": VALUES - VALUES.max() - 1e-3,
    "far feasible": VALUES - 20.0,
    "touching from inside": VALUES - VALUES.max(),
    "touching from outside": VALUES - VALUES.min(),
}


@pytest.mark.parametrize("build, count", [(objective_views, 4), (constraint_views, 13)])
def test_views_are_increasing_and_standardised(build, count):
    views = build(VALUES)
    assert views.z.shape == (count, 24)
    assert views.zero.shape == views.jacobian.shape == (count,)
    assert np.all(np.diff(views.z[:, np.argsort(VALUES)], axis=1) > 0)
    np.testing.assert_allclose(views.z.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(views.z.std(axis=1), 1)


@pytest.mark.parametrize("build", BUILDERS)
def test_the_first_view_is_the_identity(build):
    expected = (VALUES - VALUES.mean()) / VALUES.std()
    np.testing.assert_allclose(build(VALUES).z[0], expected)
    zero = constraint_views(VALUES).zero[0]
    assert zero == pytest.approx(-VALUES.mean() / VALUES.std())


def test_views_undo_exponentials_and_poles():
    t = np.linspace(-1, 1, 41)

    def straight(views):
        return max(np.corrcoef(z, t)[0, 1] for z in views.z)

    pole = 1 / (1.02 - t)
    for build, y in (
        (objective_views, np.exp(8 * t)),
        (constraint_views, np.exp(8 * t) - 50),
        (constraint_views, 50 - np.exp(-8 * t)),
        (constraint_views, np.sinh(8 * t)),
        (constraint_views, pole - 2),
    ):
        views = build(y)
        assert straight(views) > np.corrcoef(views.z[0], t)[0, 1] + 0.1


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shift", [0.0, 10.0])
def test_objective_views_ignore_scale_and_shift(scale, shift):
    views, other = objective_views(VALUES), objective_views(scale * (VALUES + shift))
    np.testing.assert_allclose(other.z, views.z, atol=1e-9)
    np.testing.assert_allclose(other.jacobian, views.jacobian, atol=1e-7)


@pytest.mark.parametrize("scale", SCALES)
def test_constraint_views_ignore_scale(scale):
    views, other = constraint_views(VALUES), constraint_views(scale * VALUES)
    np.testing.assert_allclose(other.z, views.z, atol=1e-9)
    np.testing.assert_allclose(other.zero, views.zero, atol=1e-9)
    np.testing.assert_allclose(other.jacobian, views.jacobian, atol=1e-7)


@pytest.mark.parametrize("build", BUILDERS)
def test_powers_of_two_change_no_bit(build):
    a, b = build(VALUES), build(2.0**-40 * VALUES)
    for name in ("z", "zero", "jacobian"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("build", BUILDERS)
def test_views_follow_a_permutation(build):
    order = np.random.default_rng(0).permutation(len(VALUES))
    views, other = build(VALUES), build(VALUES[order])
    np.testing.assert_allclose(other.z, views.z[:, order], atol=1e-12)
    np.testing.assert_allclose(other.zero, views.zero, atol=1e-12)
    np.testing.assert_allclose(other.jacobian, views.jacobian, atol=1e-10)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("side", ["both", "all infeasible", "all feasible"])
def test_jacobians_are_slopes_of_the_views(build, side):
    # Each value has a twin, so that slopes are seen and no formula is repeated here.
    values, gap = SIDES[side], 1e-8
    views = build(np.concatenate([values, values + gap]))
    rise = views.z[:, len(values) :] - views.z[:, : len(values)]
    slope = 2 * np.sum(np.log(rise / rise[:1]), axis=1)
    np.testing.assert_allclose(views.jacobian - views.jacobian[0], slope, atol=1e-4)


def test_unknown_values_change_no_jacobian():
    for build in BUILDERS:
        some = np.append(VALUES, [np.nan, np.nan])
        np.testing.assert_allclose(build(some).jacobian, build(VALUES).jacobian)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
def test_unknown_values_stay_unknown(build, unknown):
    y = VALUES.copy()
    y[[2, 5]] = unknown
    views = build(y)
    kept = np.isfinite(y)
    assert np.all(np.isnan(views.z[:, ~kept]))
    expected = build(y[kept])
    np.testing.assert_allclose(views.z[:, kept], expected.z)
    np.testing.assert_allclose(views.zero, expected.zero)
    np.testing.assert_allclose(views.jacobian, expected.jacobian)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize(
    "y",
    [np.ones(5), -np.ones(5), np.zeros(5), np.array([3.0]), np.full(4, 1e-320)],
    ids=["ones", "minus ones", "zeros", "one value", "subnormal"],
)
def test_constants_give_finite_views(build, y):
    views = build(y)
    for part in (views.z, views.zero, views.jacobian):
        assert np.isfinite(part).all()
    if build is constraint_views:
        sides = views.z <= views.zero[:, None]
        np.testing.assert_array_equal(sides, np.broadcast_to(y <= 0, sides.shape))


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("n", [0, 3])
def test_nothing_known_gives_finite_zeros_and_jacobians(build, n):
    views = build(np.full(n, np.nan))
    assert views.z.shape[1] == n and np.isnan(views.z).all()
    assert np.isfinite(views.zero).all() and np.isfinite(views.jacobian).all()


@pytest.mark.parametrize("scale", [1.0, *SCALES])
@pytest.mark.parametrize("g", SIDES.values(), ids=SIDES)
def test_every_constraint_view_keeps_the_feasible_side(g, scale):
    views = constraint_views(scale * g)
    assert np.isfinite(views.zero).all()
    for z, zero in zip(views.z, views.zero, strict=True):
        np.testing.assert_array_equal(z <= zero, g <= 0)


@pytest.mark.parametrize("side", ["boundary", "touching from inside"])
def test_zero_is_the_image_of_a_value_on_the_boundary(side):
    g = SIDES[side]
    views = constraint_views(g)
    np.testing.assert_allclose(views.z[:, np.argmin(np.abs(g))], views.zero, atol=1e-12)


@pytest.mark.parametrize("pole", [1e9, 1e300, -1e300, np.inf, -np.inf])
def test_a_pole_stays_finite(pole):
    g = VALUES.copy()
    g[3] = pole
    views = constraint_views(g)
    others = np.delete(np.arange(len(g)), 3)
    assert np.isfinite(views.z[:, others]).all()
    assert np.isfinite(views.zero).all() and np.isfinite(views.jacobian).all()
    if abs(pole) != 1e300:
        assert len(np.unique(views.z[1, others])) == len(others)


def test_labels_tell_failures_from_successes():
    views = label_views(np.array([1.0, -1.0, 1.0]))
    np.testing.assert_array_equal(views.z, [[1, -1, 1]])
    np.testing.assert_array_equal(views.z[0] <= views.zero[0], [False, True, False])
    assert views.jacobian.shape == (1,)


def test_a_stack_repeats_the_last_view():
    few, many = objective_views(VALUES), constraint_views(VALUES)
    stacked = stack([few, many, label_views(np.sign(VALUES))])
    assert stacked.z.shape == (3, 13, 24)
    assert stacked.zero.shape == stacked.jacobian.shape == (3, 13)
    for name in ("z", "zero", "jacobian"):
        got = getattr(stacked, name)
        np.testing.assert_array_equal(got[0, :4], getattr(few, name))
        for i in range(4, 13):
            np.testing.assert_array_equal(got[0, i], getattr(few, name)[-1])
        np.testing.assert_array_equal(got[1], getattr(many, name))


def test_standardising_ignores_what_is_unknown():
    z, mean, sd = standardize(np.array([1.0, np.nan, 3.0]))
    np.testing.assert_allclose(z, [-1, np.nan, 1])
    assert (mean, sd) == (2, 1)
    for constant in ([5.0, 5.0], [np.nan], []):
        assert standardize(np.array(constant))[2] == 1


def test_the_unit_scale_is_the_largest_magnitude():
    np.testing.assert_array_equal(
        unit_scale(np.array([-4.0, np.nan, 2])), [-1, np.nan, 0.5]
    )
    np.testing.assert_array_equal(unit_scale(np.zeros(2)), np.zeros(2))
