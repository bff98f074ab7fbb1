import jax
import numpy as np
import pytest

import pfnbo
from pfnbo.known import Known
from pfnbo.maximize import listed
from pfnbo.maximize.gradient import Region, Screen

RNG = np.random.default_rng(0)
ROWS = RNG.uniform(size=(listed.TOGETHER + 7, 2))
SPACE = pfnbo.Space({"a": (0, 1), "b": (0, 1)}, candidates=ROWS)
BEST = np.argsort(np.sum((ROWS - 0.4) ** 2, axis=1))


CASCADE = pfnbo.Cascade(pfnbo.GP(), pfnbo.GP(steps=5))


def _score(middle, x):
    return -np.sum((x - middle) ** 2)


def _found(taken=(), known=None, cheap=None):
    corners = np.zeros(2), np.ones(2)
    padded = np.full((len(ROWS), 2), np.nan)
    padded[: len(taken)] = ROWS[list(taken)]
    region = Region(*corners, ROWS[:3], padded)
    args = jax.random.key(0), _score, 0.4, region, SPACE.grid
    with jax.enable_x64(True):
        return listed.propose(*args, rows=ROWS, known=known, cheap=cheap)


def test_the_best_free_candidate_is_found():
    for n in range(3):
        row, value = _found(BEST[:n])
        np.testing.assert_array_equal(row, ROWS[BEST[n]])
        assert value == pytest.approx(_score(0.4, row))


def test_what_is_not_allowed_is_passed_over():
    known = Known(lambda x: 0.6 - x["a"], SPACE)
    row, _ = _found(known=known)
    allowed = [i for i in BEST if ROWS[i, 0] >= 0.6]
    np.testing.assert_array_equal(row, ROWS[allowed[0]])


def test_what_passes_a_screen_is_allowed_and_scored_in_full():
    known = Known(lambda x: 0.6 - x["a"], SPACE)
    allowed = [i for i in BEST if ROWS[i, 0] >= 0.6]
    # It likes a corner, of whose twelve nearest allowed rows the best is taken.
    likes = Screen(np.float64(1.0), 0.01)
    near = sorted(allowed, key=lambda i: -_score(1.0, ROWS[i]))[:12]
    best = [i for i in BEST if i in near]
    programs = []
    for n in range(3):
        row, value = _found(best[:n], known, likes)
        left = sorted(set(allowed) - {*best[:n]}, key=lambda i: -_score(1.0, ROWS[i]))
        wanted = next(i for i in BEST if i in left[:12])
        np.testing.assert_array_equal(row, ROWS[wanted])
        assert value == pytest.approx(_score(0.4, row))
        programs.append(listed._worths._cache_size())
    assert len(set(programs)) == 1
    few = Known(lambda x: 0.98 - x["a"], SPACE)
    row, _ = _found(known=few, cheap=likes)
    assert row[0] >= 0.98 and listed._worths._cache_size() == programs[0]


def test_without_a_free_candidate_there_is_no_score():
    assert _found(range(len(ROWS)))[1] == -np.inf


def test_other_points_that_are_told_use_up_no_candidate():
    rows = ROWS[:5]
    study = pfnbo.Optimizer(pfnbo.Space({"a": (0, 1), "b": (0, 1)}, candidates=rows))
    for x in ROWS[5:11]:
        study.tell(x, float(x.sum()))
    asked = [list(study.ask()[0].values()) for _ in rows]
    assert sorted(asked) == sorted(rows.tolist()) and study.ask() == []


@pytest.mark.parametrize("settings", [dict(acquisition="kg"), dict(surrogate=CASCADE)])
def test_rivals_and_screens_are_of_the_candidates(settings):
    space = pfnbo.Space({"a": (0, 1), "b": (0, 1)}, candidates=ROWS[:40])
    settings |= dict(seed=0, n_initial=6)
    found = pfnbo.optimize(lambda x: (x["a"] - 0.4) ** 2 + x["b"], space, 9, **settings)
    assert {tuple(x.values()) for x in found.x_iters} <= set(map(tuple, ROWS[:40]))


def test_a_search_stays_among_the_candidates_and_ends_with_them():
    points = [{"a": a, "b": b} for a, b in ROWS[:14].tolist()]
    space = pfnbo.Space({"a": (0, 1), "b": (0, 1)}, candidates=points)
    seen = []

    def far(x):
        seen.append(x)
        return (x["a"] - 0.4) ** 2, [x["b"] - 0.5]

    found = pfnbo.optimize(far, space, 20, seed=0, n_initial=4)
    assert sorted(map(repr, seen)) == sorted(map(repr, points))
    allowed = [x for x in points if x["b"] <= 0.5]
    assert found.x == min(allowed, key=lambda x: far(x)[0])
