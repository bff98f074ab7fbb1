import numpy as np
import pytest

from pfnbo.data import bucket, pad


@pytest.mark.parametrize(
    "n, size", [(0, 32), (1, 32), (32, 32), (33, 64), (64, 64), (65, 128)]
)
def test_bucket_is_a_power_of_two(n, size):
    assert bucket(n) == size


def test_padding_keeps_what_is_known_and_hides_the_rest():
    x = np.random.default_rng(0).uniform(size=(3, 2))
    y = np.array([[1.0, np.nan, 3.0], [4.0, np.inf, 6.0]])
    data = pad(x, y, 8)
    assert data.x.shape == (8, 2) and data.y.shape == data.seen.shape == (2, 8)
    np.testing.assert_array_equal(data.x[:3], x)
    known = np.zeros((2, 8), bool)
    known[:, [0, 2]] = True
    np.testing.assert_array_equal(data.seen, known)
    np.testing.assert_array_equal(np.asarray(data.y)[known], [1, 3, 4, 6])
    assert np.all(np.asarray(data.y)[~known] == 0)
    inside = (np.asarray(data.x) >= 0) & (np.asarray(data.x) <= 1)
    assert inside.all()  # a warp is no number outside the cube


def test_no_observation_can_be_padded():
    data = pad(np.zeros((0, 2)), np.zeros((1, 0)), 4)
    assert data.x.shape == (4, 2) and not np.any(data.seen)
