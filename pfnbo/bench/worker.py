"""The process that runs methods: reads jobs from its input, one line of JSON each.

It answers each by a line on its output: a run, or `{"error": ...}`. What methods print
goes to its standard error. It ends with its input, also in the middle of a run, so that
it never outlives the command that started it.
"""

import functools
import json
import os
import platform
import queue
import random
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np

import pfnbo
from pfnbo import problems
from pfnbo.bench.methods import METHODS, label, load
from pfnbo.bench.results import Run, columns, line
from pfnbo.bench.trace import shared_design
from pfnbo.errors import PfnboError

ALWAYS = ("pfnbo", "jax", "numpy", "scipy")


def main() -> None:
    """Answer jobs until the input ends."""
    _commit()  # before a long run, in which another may be made
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a method that prints would break the protocol
    for job in _jobs(sys.stdin):
        try:
            answer = line(execute(**job))
        except PfnboError as error:
            answer = json.dumps({"error": str(error)}) + "\n"
        except Exception:
            answer = json.dumps({"error": traceback.format_exc()}) + "\n"
        out.write(answer)
        out.flush()


def execute(problem: str, method: str, seed: int, trials: int, initial: int) -> Run:
    """Run one method on one problem with one seed in this process."""
    random.seed(seed)
    np.random.seed(seed)
    task = problems.get(problem)
    run = load(method)
    _forget_peak()
    rows = run(task, shared_design(task, initial, seed), trials, seed)[:trials]
    feasible = [row for row in rows if row.violation == 0 and np.isfinite(row.f)]
    return Run(
        problem=problem,
        method=label(method),
        seed=seed,
        initial=initial,
        **columns(rows),
        memory=_peak(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=_versions(method),
        best=min(feasible, key=lambda row: row.f).point if feasible else (),
        machine=_processor(),
    )


def _jobs(source: IO[str]) -> Iterable[dict[str, Any]]:
    """Yield jobs; a thread of its own sees the end of the input at once."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for text in source:
            waiting.put(text)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield json.loads(waiting.get())


def _forget_peak() -> None:
    """Count the peak of the memory from now on, where Linux lets us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def _peak() -> float:
    """Return the peak of the memory in MB, NaN where the system does not tell."""
    try:
        # What `getrusage` tells on Linux begins with the peak of the parent.
        told = Path("/proc/self/status").read_text()
        return int(told.partition("VmHWM:")[2].split()[0]) / 1e3  # kB
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:  # not on Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, else kB


@functools.cache
def _processor() -> str:
    """Return the name of the processor, of its kind where the system tells no more."""
    try:
        facts = Path("/proc/cpuinfo").read_text()
    except OSError:
        facts = ""
    named = re.search(r"^model name\s*: (.+)$", facts, re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()


@functools.cache
def _commit() -> str:
    """Return the last commit of the package, with a + where files have changed since.

    It is nothing where the package is no checkout.
    """
    commit = _git("log", "-1", "--format=%h", "--", ".")
    changed = commit and _git("status", "--porcelain", "--", ".")
    return commit + "+" * bool(changed)


def _git(*words: str) -> str:
    """Return what git says in the folder of the package, nothing where it fails."""
    try:
        told = subprocess.run(
            ["git", *words],
            cwd=Path(pfnbo.__file__).parent,
            stdin=subprocess.DEVNULL,  # ours has the jobs
            capture_output=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.decode().strip() if told.returncode == 0 else ""


def _versions(method: str) -> dict[str, str]:
    name = method.partition(":")[0]
    own = METHODS[name].package.split() if name in METHODS else []
    told = {"python": sys.version.split()[0]}
    for package in sorted({*ALWAYS, *own}):
        try:
            told[package] = version(package)
        except PackageNotFoundError:  # used from a folder
            told[package] = "not installed"
    told["pfnbo"] += f" ({_commit()})" if _commit() else ""
    return told


if __name__ == "__main__":
    main()
