"""How programs are compiled, and where they are kept between processes."""

import functools
import os
import sys
from pathlib import Path

import jax

VARIABLE = "PFNBO_COMPILATION_CACHE"  # the cache is switched on at the doors only
REGIONS = Path("/proc/sys/vm/max_map_count")  # of memory for a process, on Linux

# For programs that no other program calls. LLVM's highest level of optimisation takes a
# third more time than its first, and what it makes is no faster.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})


def folder() -> Path:
    """Return the cache folder of this user on this platform."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "pfnbo" / "xla"


def enable_compilation_cache() -> None:
    """Keep compiled programs between processes, unless the user decided otherwise.

    `PFNBO_COMPILATION_CACHE=off` switches it off and any other value names the
    folder. A cache that JAX already has, or a folder that can't be made, is left
    alone: the cache only saves time.
    """
    wish = os.environ.get(VARIABLE, "")
    taken = jax.config.values["jax_compilation_cache_dir"]
    if taken or wish.lower() in ("off", "0", "no"):
        return
    try:
        path = Path(wish) if wish else folder()
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def make_room_for_programs() -> None:
    """Forget all compiled programs when they take half of the process's memory regions.

    A program of a search maps about a hundred regions and Linux lets a process have
    some 65,000: searches in about fifteen spaces of different sizes would reach that
    number, and LLVM then aborts the process.
    """
    try:
        limit = int(REGIONS.read_text())
        with open("/proc/self/maps") as regions:
            used = sum(1 for _ in regions)
    except (OSError, ValueError):  # no Linux
        return
    if used > limit / 2:
        jax.clear_caches()
