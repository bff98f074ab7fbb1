"""Settings that every test shares, made before JAX and matplotlib are imported."""

import os

import pytest

os.environ["MPLBACKEND"] = "Agg"
os.environ["PFNBO_COMPILATION_CACHE"] = "off"


@pytest.fixture(autouse=True, scope="module")
def _programs_are_freed():
    """Forget compiled programs: one process may not map as many as all tests make."""
    yield
    import jax

    jax.clear_caches()
