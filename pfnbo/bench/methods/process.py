"""Methods of another interpreter or language, spoken to in lines of JSON.

The command is told the task on its standard input, in one line, with the shared design
evaluated already::

    {"dimensions": [
       {"name": "x1", "kind": "float", "low": 0, "high": 1, "log": false},
       {"name": "n", "kind": "int", "low": 1, "high": 9, "log": false},
       {"name": "s", "kind": "choice", "choices": [2, 4], "ordered": true}],
     "constraints": ["stress"], "n_trials": 50, "seed": 0,
     "x": [[0.5, 3, 2], ...], "f": [1.5, ...], "g": [[-0.1], ...]}

It answers each line by a point, `{"x": [0.1, 4, 2]}`, with the CPU seconds that this
took as `"cpu"` if it knows them, and is told `{"f": 1.2, "g": [0.3]}`, until the
evaluations are spent and its input ends. `g <= 0` is feasible.
"""

import contextlib
import json
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any

import numpy as np

from pfnbo.bench.trace import Row, Trace, plain
from pfnbo.dimensions import Categorical, Dimension, Int
from pfnbo.errors import BenchError
from pfnbo.problems.problem import Problem


def command(line: str) -> Callable[[Problem, np.ndarray, int, int], list[Row]]:
    """Return the method that a command line runs."""

    def run(
        problem: Problem, x_init: np.ndarray, n_trials: int, seed: int
    ) -> list[Row]:
        trace = Trace(problem)
        trace.design(x_init)
        pipe = subprocess.PIPE
        with subprocess.Popen(
            shlex.split(line), stdin=pipe, stdout=pipe, text=True
        ) as child:
            assert child.stdin and child.stdout  # both are pipes
            _converse(line, child.stdin, child.stdout, trace, n_trials, seed)
        return trace.rows

    return run


def _converse(
    line: str, to: IO[str], of: IO[str], trace: Trace, n_trials: int, seed: int
) -> None:
    message = _task(trace, n_trials, seed)
    while len(trace.rows) < n_trials:
        trace.start_clock()
        try:
            print(json.dumps(message), file=to, flush=True)
            answer = json.loads(of.readline())
            point = _point(trace, answer["x"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            with contextlib.suppress(OSError):
                to.close()  # would raise later on what a dead program left unread
            raise BenchError(
                f"{line!r} gave no point in answer to {json.dumps(message)[:80]}: "
                'wanted one line such as {"x": [0.1, 4]} '
                f"({type(error).__name__}: {error})."
            ) from error
        f, g = trace.evaluate(point)
        cpu = float(answer.get("cpu", "nan"))  # that of this process means nothing
        trace.rows[-1] = replace(trace.rows[-1], cpu=cpu)
        message = {"f": f, "g": g.tolist()}


def _task(trace: Trace, n_trials: int, seed: int) -> dict[str, Any]:
    return {
        "dimensions": [_told(n, trace.space[n]) for n in trace.space],
        "constraints": list(trace.problem.constraints),
        "n_trials": n_trials,
        "seed": seed,
        "x": trace.points(),
        "f": trace.f,
        "g": [g.tolist() for g in trace.g],
    }


def _told(name: str, dimension: Dimension) -> dict[str, Any]:
    if isinstance(dimension, Categorical) or (
        dimension.levels and not isinstance(dimension, Int)
    ):
        choices = [plain(dimension.nth(i)) for i in range(dimension.levels)]
        ordered = not isinstance(dimension, Categorical) or dimension.ordered
        return dict(name=name, kind="choice", choices=choices, ordered=ordered)
    kind = "int" if isinstance(dimension, Int) else "float"
    low, high, log = dimension.low, dimension.high, dimension.log
    return dict(name=name, kind=kind, low=low, high=high, log=log)


def _point(trace: Trace, values: Any) -> list[Any]:
    pairs = zip(trace.space.values(), values, strict=True)
    point = [int(v) if isinstance(d, Int) else v for d, v in pairs]
    trace.space.encode(point)  # raises a ValueError where it is not legal
    return point
