import subprocess
import sys

HEAVY = "matplotlib pandas optuna torch blackjax numpyro flax optax".split()
CODE = f"""
import sys
import jax
before = jax.config.jax_enable_x64, jax.config.jax_compilation_cache_dir
import pfnbo
assert before == (jax.config.jax_enable_x64, jax.config.jax_compilation_cache_dir)
loaded = [name for name in {HEAVY!r} if name in sys.modules]
assert not loaded, loaded
"""


def test_import_is_light_and_changes_nothing():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
