"""Statistics against hand-worked values and SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from pfnbo.bench.results import Run
from pfnbo.bench.statistics import (
    Table,
    area_under_curve,
    bootstrap,
    data_profile,
    evaluations_to,
    feasible_fraction,
    gap,
    holm,
    improvement_over_random,
    lottery,
    paired_test,
    performance_profile,
    regret,
    relative_to_random,
)

INF = math.inf


def make_run(f, violation=None, method="a", seed=0):
    f = np.array(f, float)
    zeros = np.zeros(len(f))
    violation = zeros if violation is None else np.array(violation, float)
    return Run("p", method, seed, 1, f, violation, zeros, zeros)


def test_regret_counts_feasible_designs_only():
    run = make_run([4, 1, 3, np.nan, 2.5], [0, 7, 0, np.nan, 0])
    np.testing.assert_allclose(regret(run, 2.0), [1, 1, 0.5, 0.5, 0.25])
    late = make_run([1, 3], [7, 0])
    np.testing.assert_array_equal(regret(late, -2.0), [INF, 2.5])


def test_a_beaten_optimum_is_no_negative_regret():
    np.testing.assert_array_equal(regret(make_run([3, 1]), 2.0), [0.5, 0.0])
    assert gap(1, 2.0) == -0.5


def test_nothing_is_near_what_no_design_can_be():
    np.testing.assert_array_equal(gap(np.array([1.0, INF]), INF), [INF, INF])


def test_the_gap_is_absolute_where_the_optimum_is_zero():
    assert gap(0.25, 0.0) == 0.25


@pytest.mark.parametrize("shift, scale", [(5.0, 1.0), (0.0, 1e6)])
def test_ranks_do_not_change_with_shift_and_scale(shift, scale):
    values = np.random.default_rng(0).random((6, 3))
    table = Table((("p", 0),) * 6, ("a", "b", "c"), values)
    moved = Table(table.pairs, table.methods, shift + scale * values)
    np.testing.assert_array_equal(table.ranks(), moved.ranks())


def test_random_search_is_one_in_its_own_units():
    random = np.array([[4.0, 2, INF], [8, 2, INF], [6, 4, INF]])
    curve = np.array([3.0, 2, INF])
    np.testing.assert_array_equal(relative_to_random(curve, random), [0.5, 1, 1])
    np.testing.assert_array_equal(
        relative_to_random(np.array([INF, 0, 5.0]), random), [INF, 0, 0]
    )


def test_improvement_over_random_by_hand():
    assert improvement_over_random([8, 10], [12, 12]) == pytest.approx(25)
    assert improvement_over_random([-3], [-2]) == pytest.approx(50)


def test_feasible_fraction_never_falls():
    runs = [make_run([1, 1, 1], v) for v in ([1, 0, 1], [1, 1, 1], [0, 1, 1])]
    np.testing.assert_allclose(feasible_fraction(runs), [1 / 3, 2 / 3, 2 / 3])


def test_evaluations_to_a_target():
    assert evaluations_to(np.array([INF, 0.5, 0.1]), 0.5) == 2
    assert evaluations_to(np.array([INF, 0.5, 0.1]), 0.01) == INF


def test_area_under_the_curve_by_hand():
    assert area_under_curve(np.array([INF, 4, 1, 0]), 2.0) == pytest.approx(2.5 / 4)
    assert area_under_curve(np.array([0.0]), 0.0) == 0


def test_a_table_keeps_only_what_all_have_run():
    scores = {("p", "a", 0): 1, ("p", "b", 0): INF, ("p", "a", 1): 1, ("q", "b", 0): 2}
    table = Table.of(scores)
    assert table.pairs == (("p", 0),)
    np.testing.assert_array_equal(table.ranks(), [[1, 2]])
    assert len(Table.of(scores, ["a"]).pairs) == 2


def test_bootstrap_holds_the_mean_and_narrows_with_the_pairs():
    rng = np.random.default_rng(1)
    few, many = rng.normal(3, 1, (20, 2)), rng.normal(3, 1, (2000, 2))
    found, narrow = bootstrap(few), bootstrap(many)
    assert np.all((found.low < found.mean) & (found.mean < found.high))
    # Ninety percent of a normal mean lie within 1.645 standard errors.
    half = (narrow.high - narrow.low) / 2
    np.testing.assert_allclose(half, 1.645 / math.sqrt(2000), rtol=0.1)


def test_bootstrap_draws_whole_problems():
    # Seeds of a problem are alike, so that 20 of them say no more than one.
    rng = np.random.default_rng(1)
    means = rng.normal(3, 1, 100)
    values = np.repeat(means, 20)[:, None]
    problems = [f"p{i}" for i in range(100) for _ in range(20)]
    found, narrow = bootstrap(values, problems), bootstrap(values)
    half = (found.high - found.low) / 2
    np.testing.assert_allclose(half, 1.645 * means.std() / 10, rtol=0.1)
    assert np.all(narrow.high - narrow.low < half)
    single = bootstrap(values, ["p"] * 2000)
    np.testing.assert_array_equal(single.low, narrow.low)
    uneven = bootstrap(np.array([[0.0], [0.0], [3.0]]), ["a", "a", "b"])
    assert (uneven.low, uneven.mean, uneven.high) == (0, 1, 3)


def test_the_paired_test_is_that_of_scipy_and_takes_infinities():
    a, b = np.random.default_rng(2).random((2, 12))
    assert paired_test(a, b) == pytest.approx(stats.wilcoxon(a, b).pvalue)
    a[0], b[0] = INF, INF
    finite = stats.wilcoxon(a[1:], b[1:]).pvalue
    assert paired_test(a, b) == pytest.approx(finite)
    a[:], b[:] = INF, np.arange(12)
    assert paired_test(a, b) == pytest.approx(2 / 2**12)
    assert paired_test(a, a) == 1


def test_the_paired_test_counts_each_problem_once_on_its_own_scale():
    names = [f"p{i}" for i in range(7) for _ in range(4)]
    a, b = np.random.default_rng(3).random((2, 28))
    wins = np.sign(a - b).reshape(7, 4).mean(axis=1)
    expected = stats.wilcoxon(wins).pvalue
    assert paired_test(a, b, names) == pytest.approx(expected)
    scales = np.repeat(10.0 ** np.arange(7), 4)
    assert paired_test(a * scales, b * scales, names) == pytest.approx(expected)
    assert paired_test(a, a + scales, names) == pytest.approx(2 / 2**7)
    assert paired_test(a, b, ["p"] * 28) == paired_test(a, b)


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])


def test_profiles_by_hand():
    costs = np.array([[10, 20], [30, 10], [INF, INF], [5, INF]])
    profile = performance_profile(costs, np.array([1, 2, 3]))
    np.testing.assert_allclose(profile, [[0.5, 0.25], [0.5, 0.5], [0.75, 0.5]])
    data = data_profile(costs, np.array([5, 20, 100]))
    np.testing.assert_allclose(data, [[0.25, 0], [0.5, 0.5], [0.75, 0.5]])


def test_the_lottery_is_over_settings_of_one_optimiser():
    methods = ("cma", "cma:sigma=0.1", "random")
    table = Table((("p", 0), ("p", 1)), methods, np.array([[4, 1, 2], [6, 2, 2]]))
    (spread,) = lottery(table)
    assert spread.method == "cma"
    assert spread.settings == ("cma:sigma=0.1", "cma")
    np.testing.assert_array_equal(spread.scores, [1.5, 5])
