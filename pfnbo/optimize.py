"""The one line: minimise an expensive function under black-box constraints."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import numpy as np

from pfnbo import checks
from pfnbo.compilation import enable_compilation_cache, make_room_for_programs
from pfnbo.errors import SettingError
from pfnbo.loop import Run, Stops
from pfnbo.model import Surrogate
from pfnbo.optimizer import Optimizer
from pfnbo.storage import require_optuna
from pfnbo.workers import limited

if TYPE_CHECKING:
    from pfnbo.result import Result

RENAMED = ("n_calls", "maxiter", "n_iter", "max_evals", "budget", "max_runs")


def optimize(
    fn: Callable[[Any], Any],
    bounds: Any = None,
    n_trials: int = 50,
    *,
    n_constraints: int | Sequence[str] | None = None,
    constraints: Any = None,
    x0: Any = None,
    history: Any = None,
    maximize: bool = False,
    seed: int | None = None,
    n_initial: int | None = None,
    batch_size: int = 1,
    executor: Executor | None = None,
    noise: str | float = "auto",
    surrogate: Surrogate | None = None,
    acquisition: str = "auto",
    trust_region: bool | None = None,
    prior: Any = None,
    warm_start: "Result | None" = None,
    flip_rate: float = 0.0,
    on_error: str = "raise",
    timeout: float | None = None,
    evaluation_timeout: float | None = None,
    target: float | None = None,
    min_improvement: float | None = None,
    callback: Callable[["Result"], Any] | None = None,
    progress: bool = False,
    storage: Any = None,
    name: str = "study",
    **unknown: Any,
) -> "Result":
    """Minimise `fn` over `bounds` subject to the constraints that it returns.

    Args:
        fn: takes a 1-D array (bounds as pairs) or a dict (bounds as a dict) and
            returns `f`, `(f, g)` or `{"f": ..., "g": ...}`; `g <= 0` is feasible.
        bounds: pairs, `(d, 2)` array, `scipy.optimize.Bounds`, dict or `Space`; may
            be left out for a `pfnbo.problems` problem.
        n_trials: evaluations in total, initial ones included.
        n_constraints: number or names of the constraints; read off the first return
            when left out.
        constraints: known, cheap constraints that hold at every point chosen, as in
            `Optimizer`; `fn` need not return them.
        x0: points to evaluate first, or one point.
        history: `(X, y)` or `(X, y, g)` already known, or an earlier `Result`.
        maximize: whether larger objectives are better.
        seed: integer for repeatable runs.
        n_initial: size of the space-filling design, `x0` included.
        batch_size: points under evaluation at once.
        executor: any `concurrent.futures.Executor`; a new point is asked for as each
            evaluation ends, or before where workers would wait for it.
        noise: "auto", or the standard deviation relative to that of `f`.
        surrogate: the model, by default an exact `GP`, with an additive share where
            there are no constraints and at most 15 cube columns.
        acquisition: "ei", "kg", "nei", "pi", "thompson" or "ucb"; "auto" is "nei" where
            the model sees noise in the objective and "ei" elsewhere.
        trust_region: None uses one above 15 cube columns, of which a choice has one for
            each of its values; among candidates there is none.
        prior: where the optimum is believed to be: {"x": (mean, sd)} in the unit of x,
            {"material": {"steel": 3, "wood": 1}} for choices. Half of the design is
            drawn from it; its weight fades as 1 / (number of evaluations).
        warm_start: `Result` of a task that is like this one in the same space, shifted
            or a little different: its points are a second task of the model, its best
            one is evaluated first, and the design is small. What it found is no part
            of the result.
        flip_rate: chance that an evaluation fails by a fluke, at a point where another
            may succeed; such points may be asked for again.
        on_error: "raise" passes an exception of `fn` on, with `result` attached;
            "record" makes it a failed trial and goes on.
        timeout: seconds after which no new evaluation starts.
        evaluation_timeout: seconds after which an evaluation is ended and recorded as
            failed, as it is when its process dies; needs
            `executor=ProcessPoolExecutor(...)`, whose settings go to processes that
            can be ended one by one.
        target: stop at a feasible objective this good.
        min_improvement: stop when the points under evaluation are expected to improve
            on the best one by less than this, in the unit of `f`.
        callback: called with the running `Result` after each evaluation; a true
            return or `StopIteration` ends the run.
        progress: whether to show a progress bar.
        storage: "study.journal", "study.db", an Optuna URL or an Optuna storage, to
            which everything is written as it comes. The same call goes on after an
            interruption or a crash, on points that were under evaluation first;
            several processes may make it at once. `n_trials` counts all trials
            stored, `history` is not stored.
        name: of the study in the storage.
        **unknown: names of other packages are refused with the right one.

    Returns:
        A `Result`; `x` is the best feasible point evaluated. Ctrl-C returns what is
        known, with `success=False`.

    Raises:
        SpaceError, SettingError: when an argument has no meaning, or the stored
            study searches something else, before any evaluation.
        StorageError: when the storage is damaged, full or out of reach.
        ObjectiveError: when `fn` returns something unusable.
    """
    _refuse(unknown)
    checks.function("fn", fn, "one point")
    checks.choice("on_error", on_error, ("raise", "record"))
    checks.flag("progress", progress)
    batch_size = checks.count("batch_size", batch_size, least=1)
    stops = Stops(n_trials, timeout, target, callback, min_improvement)
    if executor is not None and not isinstance(executor, Executor):
        raise SettingError(
            f"executor is {executor!r}: wanted a concurrent.futures.Executor. "
            "Type executor=ThreadPoolExecutor(4), batch_size=4."
        )
    evaluators = limited(fn, executor, evaluation_timeout)
    if bounds is None:
        bounds = getattr(fn, "space", None)
        if bounds is None:
            raise SettingError("bounds are missing: type optimize(fn, [(low, high)]).")
        if n_constraints is None:
            n_constraints = getattr(fn, "constraints", None)
    ledger = _ledger(storage, name, stops.n_trials)
    study = Optimizer(
        bounds,
        n_constraints=0 if n_constraints is None else n_constraints,
        maximize=maximize,
        seed=seed,
        n_initial=n_initial,
        noise=noise,
        surrogate=surrogate,
        acquisition=acquisition,
        trust_region=trust_region,
        prior=prior,
        warm_start=warm_start,
        flip_rate=flip_rate,
        constraints=constraints,
    )
    study.enqueue(x0)
    run = Run(fn, study, n_constraints is None, on_error)
    if history is not None:
        run.learn(*_history(history))
    if ledger is not None:
        study.attach(ledger)
        run.guess = run.guess and not study.constraint_names
    enable_compilation_cache()
    make_room_for_programs()
    try:
        return run.loop(stops, batch_size, evaluators, progress)
    finally:
        if evaluators is not None and evaluators is not executor:
            evaluators.shutdown()


def _ledger(storage: Any, name: str, n_trials: int) -> Any:
    if storage is None:
        return None
    require_optuna()
    from pfnbo.storage.ledger import Ledger

    return Ledger(storage, name, limit=n_trials, working=True)


def _history(given: Any) -> tuple[list, list, list]:
    """Return points, objectives and constraints, of which there may be none."""
    wanted = "wanted (X, y), (X, y, g) or an earlier result"
    from pfnbo.result import Result  # a SciPy class: slow to import

    if isinstance(given, Result):
        parts = given.x_iters, given.func_vals, given.constr
        given = parts if given.constraint_names else parts[:2]
    try:
        parts = [list(part) for part in given]
    except TypeError:
        parts = []
    if isinstance(given, Mapping) or len(parts) not in (2, 3):
        raise SettingError(f"history is a {type(given).__name__}: {wanted}.")
    x, y, g = (*parts, [])[:3]
    if len({len(part) for part in parts}) > 1:
        raise SettingError(
            f"history has {', '.join(str(len(part)) for part in parts)} entries in "
            f"{'X, y and g' if len(parts) == 3 else 'X and y'}: {wanted}, as many each."
        )
    widths = sorted({len(list(row)) if np.iterable(row) else 1 for row in g})
    if len(widths) > 1:
        raise SettingError(
            f"history has rows of {widths} constraints in g: wanted (n, c) values, "
            "NaN where one is unknown."
        )
    return x, y, g


def _refuse(unknown: Mapping[str, Any]) -> None:
    known = list(inspect.signature(optimize).parameters)
    for name in unknown:
        near = difflib.get_close_matches(name, known, 1)
        hint = "n_trials" if name in RENAMED else near[0] if near else None
        advice = f": use {hint}" if hint else ""
        raise TypeError(f"optimize() has no argument {name!r}{advice}")
