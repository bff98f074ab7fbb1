import numpy as np
import pytest

from pfnbo.data import bucket, constraint_views, objective_views, pad, standardize

VALUES = np.random.default_rng(1).normal(size=24) ** 3
SCALES = [1e-12, 1e12, 2.0**-40, 1e-300, 1e300]


@pytest.mark.parametrize(
    "n, size", [(0, 32), (1, 32), (32, 32), (33, 64), (64, 64), (65, 128)]
)
def test_bucket_is_a_power_of_two(n, size):
    assert bucket(n) == size


def test_objective_views_are_increasing_and_standardised():
    views, jacobians = objective_views(VALUES)
    order = np.argsort(VALUES)
    assert views.shape == (3, 24) and jacobians.shape == (3,)
    assert np.all(np.diff(views[:, order], axis=1) > 0)
    np.testing.assert_allclose(views.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(views.std(axis=1), 1)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shift", [0.0, 10.0])
def test_objective_views_ignore_scale_and_shift(scale, shift):
    views, jacobians = objective_views(VALUES)
    other, others = objective_views(scale * (VALUES + shift))
    np.testing.assert_allclose(other, views, atol=1e-9)
    np.testing.assert_allclose(others, jacobians, atol=1e-7)


def test_powers_of_two_change_no_bit():
    a, b = objective_views(VALUES), objective_views(2.0**-40 * VALUES)
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])


def test_jacobians_are_slopes_of_the_views():
    views, jacobians = objective_views(VALUES)
    order = np.argsort(VALUES)
    f = standardize(VALUES)[0]
    gap = np.diff(f[order])
    slopes = np.diff(views[1][order]) / gap
    assert jacobians[0] == pytest.approx(0, abs=1e-9)
    assert slopes[0] > slopes[-1]  # the log view stretches the good end
    raw = f - f.min()
    z = np.log(raw + np.median(raw))
    exact = np.sum(-np.log(raw + np.median(raw)) - np.log(z.std()))
    assert jacobians[1] == pytest.approx(exact)


def test_unknown_values_stay_unknown():
    f = VALUES.copy()
    f[[2, 5]] = np.nan
    views, jacobians = objective_views(f)
    assert np.all(np.isnan(views[:, [2, 5]])) and np.isfinite(jacobians).all()
    kept = np.isfinite(f)
    expected, others = objective_views(f[kept])
    np.testing.assert_allclose(views[:, kept], expected)
    np.testing.assert_allclose(jacobians, others)


@pytest.mark.parametrize(
    "f", [np.ones(5), np.zeros(5), np.array([3.0]), np.full(4, 1e-320)]
)
def test_constants_give_finite_views(f):
    views, jacobians = objective_views(f)
    assert np.isfinite(views).all() and np.isfinite(jacobians).all()
    for part in constraint_views(f):
        assert np.isfinite(part).all()


@pytest.mark.parametrize("scale", [1.0, *SCALES])
@pytest.mark.parametrize("shift", [0.0, 0.5, -20.0, 20.0])
def test_constraint_views_keep_the_feasible_side(scale, shift):
    g = scale * np.append(VALUES + shift, 0.0)
    for z, threshold in zip(*constraint_views(g)[:2], strict=True):
        np.testing.assert_array_equal(z <= threshold, g <= 0)
        assert np.all(np.diff(z[np.argsort(g)]) >= 0)


@pytest.mark.parametrize("pole", [1e9, 1e300, np.inf, -np.inf])
def test_a_pole_stays_finite(pole):
    g = VALUES.copy()
    g[3] = pole
    views, thresholds, jacobians = constraint_views(g)
    others = np.delete(np.arange(len(g)), 3)
    assert np.isfinite(views[:, others]).all()
    assert np.isfinite(thresholds).all() and np.isfinite(jacobians).all()
    if pole != 1e300:
        assert len(np.unique(views[1, others])) == len(others)


def test_unknown_constraint_values_stay_unknown():
    views, thresholds, _ = constraint_views(np.array([np.nan, -1.0, 2.0]))
    for z, threshold in zip(views, thresholds, strict=True):
        assert np.isnan(z[0]) and z[1] <= threshold < z[2]
    views, thresholds, jacobians = constraint_views(np.full(3, np.nan))
    assert np.isnan(views).all() and np.isfinite(thresholds).all()
    assert np.isfinite(jacobians).all()


def test_padding_hides_what_is_unknown():
    x, y = np.random.rand(3, 2), np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]])
    data = pad(x, y, 8)
    assert data.x.shape == (8, 2) and data.y.shape == (2, 8)
    np.testing.assert_array_equal(data.seen.sum(axis=1), [2, 3])
    assert np.isfinite(data.y).all()
