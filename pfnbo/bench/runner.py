"""Runs every method on every problem with every seed, over processes, resumable."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pfnbo
from pfnbo import checks, problems
from pfnbo.bench.methods import check, is_command, label
from pfnbo.bench.results import Appender, Run, load, parse
from pfnbo.errors import BenchError

SETS = {
    "all": problems.names,
    "constrained": problems.constrained,
    "simulated": problems.simulated,
    "unconstrained": problems.unconstrained,
    **{name: partial(problems.suite, name) for name in problems.SUITES},
}
# Set before NumPy and JAX are imported, so each process has one thread of its own.
ONE_THREAD = {
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


@dataclass(frozen=True)
class Job:
    """One run to do; its fields are what a worker is told."""

    problem: str
    method: str
    seed: int
    trials: int
    initial: int


@dataclass(frozen=True)
class Plan:
    """What to compare.

    Args:
        problems: names of problems, or of `SETS`.
        methods: see `pfnbo.bench.methods.load`.
        seeds: each gives all methods the same design.
        trials: evaluations of a run, the design included.
        initial: size of the design.
        pythons: interpreter for a method, by its name, where it needs packages of its
            own; pfnbo is found there by itself, JAX and SciPy must be installed.
    """

    problems: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int]
    trials: int = 50
    initial: int = 10
    pythons: Mapping[str, str] = field(default_factory=dict)

    def jobs(self) -> list[Job]:
        """Return every run, all methods of one seed before the next seed.

        Raises:
            BenchError, ProblemError, SettingError: when one of them can't be run.
        """
        checks.count("trials", self.trials, least=1)
        checks.count("initial", self.initial, least=2)
        if self.initial >= self.trials:
            raise BenchError(
                f"initial is {self.initial} and trials {self.trials}: "
                "a method chooses nothing unless there are more trials."
            )
        for method in self.methods:
            if not is_command(method):
                check(method, here=label(method) not in self.pythons)
        self._check_pythons()
        names = list(dict.fromkeys(n for word in self.problems for n in _names(word)))
        sizes = self.trials, self.initial
        return [
            Job(problem, method, seed, *sizes)
            for seed in self.seeds
            for method in self.methods
            for problem in names
        ]

    def _check_pythons(self) -> None:
        unknown = sorted(set(self.pythons) - set(map(label, self.methods)))
        if unknown:
            raise BenchError(f"an interpreter for {unknown[0]!r}, which is not run.")


def run(
    plan: Plan, path: str | Path, *, workers: int = 1, progress: bool = True
) -> list[str]:
    """Do the runs that a file does not hold yet and append each when it ends.

    Args:
        plan: what to compare.
        path: file of results, made when missing.
        workers: processes at once.
        progress: whether to show a bar with the time left.

    Returns:
        What went wrong, one text for each run that failed.

    Raises:
        BenchError: when the file is in use or no file of results.
    """
    path = Path(path)
    checks.count("workers", workers, least=1)
    if path.suffix == ".csv":
        raise BenchError(f"{path}: results are written as {path.with_suffix('.jsonl')}")
    todo = plan.jobs()
    failures: list[str] = []
    with Appender(path) as file:
        todo = missing(todo, path)
        with _Pool(workers, plan.pythons) as pool:
            for job, outcome in _bar(pool.outcomes(todo), len(todo), progress):
                if isinstance(outcome, Run):
                    file.append(outcome)
                else:
                    what = f"{job.problem}, {label(job.method)}, seed {job.seed}"
                    failures.append(f"{what}: {outcome}")
    return failures


def missing(jobs: Sequence[Job], path: Path) -> list[Job]:
    """Return the jobs whose runs a file does not hold yet.

    Raises:
        BenchError: when it holds one of another design.
    """
    held = load([path])

    def done(job: Job) -> bool:
        found = held.get((job.problem, label(job.method), job.seed))
        if found is not None and found.initial != job.initial:
            raise BenchError(
                f"{path} has a run of {label(job.method)} on {job.problem}, seed "
                f"{job.seed}, from a design of {found.initial} and not {job.initial}: "
                "name another file."
            )
        return found is not None and found.trials >= job.trials

    return [job for job in jobs if not done(job)]


class _Pool:
    """Threads that each keep one process, started anew for another method."""

    def __init__(self, workers: int, pythons: Mapping[str, str]) -> None:
        self._pythons = pythons
        self._local = threading.local()
        self._workers: list[_Worker] = []
        self._threads = ThreadPoolExecutor(workers)

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._workers):
            worker.stop()
        self._threads.shutdown()

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Run | str]]:
        """Yield each job with its run, or what went wrong, as they end."""
        tasks: dict[Future, Job] = {self._threads.submit(self._do, j): j for j in jobs}
        for future in as_completed(tasks):
            yield tasks[future], future.result()

    def _do(self, job: Job) -> Run | str:
        worker = getattr(self._local, "worker", None)
        if worker is None or worker.method != job.method or not worker.alive:
            if worker is not None:
                worker.stop()
                self._workers.remove(worker)
            worker = self._local.worker = _Worker(job.method, self._pythons)
            self._workers.append(worker)
        return worker.run(job)


class _Worker:
    """A process that runs one method."""

    def __init__(self, method: str, pythons: Mapping[str, str]) -> None:
        self.method = method
        python = pythons.get(label(method), sys.executable)
        home = str(Path(pfnbo.__file__).parents[1])
        paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._noise = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", "pfnbo.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            text=True,
            env=os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    @property
    def alive(self) -> bool:
        """Whether the process still takes jobs."""
        return self._process.poll() is None

    def run(self, job: Job) -> Run | str:
        """Return the run, or what went wrong."""
        to, of = self._process.stdin, self._process.stdout
        assert to is not None and of is not None  # both are pipes
        try:
            print(json.dumps(job.__dict__), file=to, flush=True)
            answer = of.readline()
        except OSError:
            answer = ""
        if not answer:
            return f"its process ended with code {self._process.wait()}{self._last()}"
        if answer.startswith('{"error"'):
            return json.loads(answer)["error"].strip()
        return parse(answer)

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.communicate()  # closes the pipes, too
        self._noise.close()

    def _last(self) -> str:
        """Return the last line that the process complained with, or nothing."""
        self._noise.seek(0)
        lines = self._noise.read().strip().splitlines()
        return f": {lines[-1]}" if lines else ""


def _names(word: str) -> Sequence[str]:
    names = SETS[word]() if word in SETS else [problems.get(word).name]
    if not names:
        raise BenchError(
            f"no simulator of {word!r} is installed: pip install 'pfnbo[simulators]'"
        )
    return names


def _bar(outcomes: Iterator[Any], total: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(outcomes, total=total, disable=not progress, unit="run")
