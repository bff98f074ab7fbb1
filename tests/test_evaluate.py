import jax
import numpy as np
import pytest

from pfnbo.evaluate import (
    COLUMNS,
    LEVELS,
    PARTS,
    QUERIES,
    Scores,
    calibration,
    coverage,
    judge,
    scores,
    table,
    tasks,
)
from pfnbo.recipe import load_recipe
from pfnbo.surrogates.gp import GP

RECIPE = load_recipe("gp_fixed")


@pytest.fixture(scope="module")
def batch():
    with jax.enable_x64(True):
        return tasks(RECIPE, 32, 6, seed=0)


def test_tasks_have_the_right_size(batch):
    assert 0 < len(batch.y) <= 6
    assert set(batch.columns.sum(1)) <= set(COLUMNS)
    assert np.all(batch.seen.sum(1) > 16)


def test_a_fitted_process_is_worse_than_the_true_one_and_better_than_a_wrong(batch):
    with jax.enable_x64(True):
        fitted, place = judge(GP(kernel="rbf", warp=False), batch)
        wrong, central = judge(GP(kernel="rbf", warp=False, noise=3.0), batch)
    assert np.all(fitted > -1e-6)
    assert 0 < fitted.mean() < wrong.mean()
    for level in LEVELS:
        inside = np.mean(np.abs(2 * place - 1) < level)
        assert abs(inside - level) < 0.2
        assert np.mean(np.abs(2 * central - 1) < level) > inside + 0.03


def test_the_table_has_a_mean_for_each_family_and_size(monkeypatch):
    monkeypatch.setattr("pfnbo.evaluate.ROWS", (8, 32))
    found = Scores(
        np.array(["b", "a", "a"]),
        np.array([8, 8, 32]),
        np.array([[1.0], [3], [5]]),
        np.zeros((3, 1, 4)),
    )
    assert table(found, ["GP"])[1:] == [
        ["a", "5-8", "1", "3.00"],
        ["a", "17-32", "1", "5.00"],
        ["b", "5-8", "1", "1.00"],
        ["all", "5-8", "2", "2.00"],
        ["all", "17-32", "1", "5.00"],
    ]


def test_coverage_is_a_share_for_each_level_and_size(monkeypatch):
    monkeypatch.setattr("pfnbo.evaluate.ROWS", (8, 32))
    place = np.array([[[0.5, 0.01]], [[0.7, 0.2]], [[0.99, 0.999]]])
    found = Scores(np.array(["a"] * 3), np.array([8, 8, 32]), np.zeros((3, 1)), place)
    lines = coverage(found, ["GP"])
    assert lines[:3] == [
        ["interval", "rows", "tasks", "GP"],
        ["50%", "5-8", "2", "50%"],
        ["50%", "17-32", "1", "0%"],
    ]
    assert lines[-2] == ["95%", "5-8", "2", "75%"]


def test_calibration_is_a_share_of_each_part_of_the_probability():
    place = np.array([[[0.0, 0.05]], [[0.95, 1.0]]])
    found = Scores(np.array(["a"] * 2), np.array([8, 8]), np.zeros((2, 1)), place)
    lines = calibration(found, ["GP"])
    assert len(lines) == 1 + PARTS
    assert lines[1] == ["0.0-0.1", "50.0%"]
    assert lines[2] == ["0.1-0.2", "0.0%"]
    assert lines[-1] == ["0.9-1.0", "50.0%"]


def test_scores_stack_the_sizes(monkeypatch):
    monkeypatch.setattr("pfnbo.evaluate.ROWS", (8, 16))
    found = scores(RECIPE, {"a": GP(), "b": GP()}, 2, seed=0)
    assert set(found.rows) == {8, 16}
    np.testing.assert_array_equal(found.loss[:, 0], found.loss[:, 1])
    assert found.place.shape == (len(found.rows), 2, QUERIES)
