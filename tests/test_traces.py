import jax
import numpy as np

from pfnbo import optimize
from pfnbo.maximize.gradient import _propose
from pfnbo.surrogates.gp import _fit


def _compiled(n):
    """Programs that a run compiles: 0 when an earlier test has made them."""
    before = np.array([_fit._cache_size(), _propose._cache_size()])
    optimize(lambda x: float(x @ x), [(-1, 1)] * 2, n, seed=0, n_initial=4)
    return np.array([_fit._cache_size(), _propose._cache_size()]) - before


def test_one_program_per_bucket():
    assert np.all(_compiled(20) <= 1)
    assert np.all(_compiled(32) == 0)
    assert np.all(_compiled(35) <= 1)
    assert np.all(_compiled(36) == 0)


def test_double_precision_stays_inside():
    _compiled(6)
    assert not jax.config.jax_enable_x64
