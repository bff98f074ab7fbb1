import numpy as np
import pytest

from pfnbo.maximize.trust import FIRST, LARGEST, SMALLEST, SUCCESSES, box, length


def _length(text, parameters=4):
    """The edge after a history such as "++-": improvements and the rest."""
    return length(np.array([mark == "+" for mark in text], bool), parameters)


@pytest.mark.parametrize(
    "history, edge",
    [
        ("", 0.8),
        ("++", 0.8),
        ("+++", 1.6),
        ("++-+", 0.8),  # a failure breaks the row
        ("---", 0.8),
        ("----", 0.4),
        ("---+---", 0.8),  # and so does a success
        ("--------", 0.2),
        ("----+++", 0.8),
        ("++++++", 1.6),  # no larger
        ("++++++----", 0.8),
    ],
)
def test_successes_double_and_failures_halve(history, edge):
    assert _length(history) == edge


def test_the_constants_are_those_of_the_paper():
    assert (FIRST, LARGEST, SMALLEST, SUCCESSES) == (0.8, 1.6, 2**-7, 3)


def test_many_parameters_are_patient():
    assert _length(19 * "-", 20) == 0.8 and _length(20 * "-", 20) == 0.4
    assert _length(3 * "-", 1) == 0.8 and _length(4 * "-", 1) == 0.4


def test_a_collapsed_region_starts_again():
    edges = [_length(4 * halvings * "-") for halvings in range(9)]
    np.testing.assert_allclose(edges[:7], 0.8 * 0.5 ** np.arange(7))
    assert edges[7:] == [0.8, 0.4]


def test_the_length_never_leaves_its_limits():
    rng = np.random.default_rng(0)
    for rate in (0.02, 0.3, 0.9):
        edges = [length(rng.uniform(size=n) < rate, 4) for n in range(200)]
        assert SMALLEST <= min(edges) and max(edges) <= LARGEST


CENTRE, ORDERED = np.full(3, 0.5), np.ones(3, bool)


def test_equal_length_scales_give_a_cube_of_that_edge():
    low, high = box(CENTRE, np.full(3, 7.0), 0.4, ORDERED)
    np.testing.assert_allclose(low, 0.3)
    np.testing.assert_allclose(high, 0.7)


def test_edges_are_proportional_to_length_scales_and_keep_the_volume():
    lengths = np.array([0.5, 1.0, 3.0])
    low, high = box(CENTRE, lengths, 0.2, ORDERED)
    edges = high - low
    np.testing.assert_allclose(edges / edges[1], lengths)
    assert np.prod(edges) == pytest.approx(0.2**3)
    np.testing.assert_allclose(box(CENTRE, 10 * lengths, 0.2, ORDERED), (low, high))
    np.testing.assert_allclose((low + high) / 2, CENTRE)


def test_extreme_length_scales_are_tempered():
    low, high = box(CENTRE, np.array([1e-6, 1.0, 1e6]), 0.02, ORDERED)
    np.testing.assert_allclose(high - low, [0.002, 0.02, 0.2])


@pytest.mark.parametrize("edge", [0.01, 0.8, 1.6])
def test_the_box_holds_its_centre_and_stays_in_the_cube(edge):
    rng = np.random.default_rng(1)
    for centre in (np.zeros(3), np.ones(3), *rng.uniform(size=(20, 3))):
        low, high = box(centre, rng.uniform(0.01, 5, 3), edge, ORDERED)
        assert np.all((0 <= low) & (low <= centre) & (centre <= high) & (high <= 1))


def test_choices_stay_open_and_change_no_other_edge():
    centre, lengths = np.array([0.5, 1, 0, 0.5]), np.array([1, 1e-3, 1e-3, 4.0])
    ordered = np.array([True, False, False, True])
    low, high = box(centre, lengths, 0.2, ordered)
    np.testing.assert_allclose(low[~ordered], 0)
    np.testing.assert_allclose(high[~ordered], 1)
    np.testing.assert_allclose((high - low)[ordered], [0.1, 0.4])
    words = box(np.array([1.0, 0]), np.ones(2), 0.2, np.zeros(2, bool))
    np.testing.assert_allclose(words, [[0, 0], [1, 1]])
