"""The one line: minimise an expensive function under black-box constraints."""

import copy
import difflib
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from typing import TYPE_CHECKING, Any

import numpy as np

from pfnbo import checks
from pfnbo.compilation import enable_compilation_cache
from pfnbo.errors import ObjectiveError, SettingError
from pfnbo.optimizer import Optimizer
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN

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
    surrogate: GP | PFN | None = None,
    acquisition: str = "auto",
    trust_region: bool | None = None,
    on_error: str = "raise",
    timeout: float | None = None,
    target: float | None = None,
    callback: Callable[["Result"], Any] | None = None,
    progress: bool = False,
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
            evaluation ends.
        noise: "auto", or the standard deviation relative to that of `f`.
        surrogate: the model, by default an exact `GP`, with an additive share where
            there are no constraints.
        acquisition: "ei", "nei", "pi", "thompson" or "ucb"; "auto" is "nei" where the
            model sees noise in the objective and "ei" elsewhere.
        trust_region: None uses one above 15 dimensions.
        on_error: "raise" passes an exception of `fn` on, with `result` attached;
            "record" makes it a failed trial and goes on.
        timeout: seconds after which no new evaluation starts.
        target: stop at a feasible objective this good.
        callback: called with the running `Result` after each evaluation; a true
            return or `StopIteration` ends the run.
        progress: whether to show a progress bar.
        **unknown: names of other packages are refused with the right one.

    Returns:
        A `Result`; `x` is the best feasible point evaluated. Ctrl-C returns what is
        known, with `success=False`.

    Raises:
        SpaceError, SettingError: when an argument has no meaning, before any
            evaluation.
        ObjectiveError: when `fn` returns something unusable.
    """
    _refuse(unknown)
    checks.function("fn", fn, "one point")
    checks.choice("on_error", on_error, ("raise", "record"))
    checks.flag("progress", progress)
    batch_size = checks.count("batch_size", batch_size, least=1)
    stops = _Stops(n_trials, timeout, target, callback)
    if executor is not None and not isinstance(executor, Executor):
        raise SettingError(
            f"executor is {executor!r}: wanted a concurrent.futures.Executor. "
            "Type executor=ThreadPoolExecutor(4), batch_size=4."
        )
    if bounds is None:
        bounds = getattr(fn, "space", None)
        if bounds is None:
            raise SettingError("bounds are missing: type optimize(fn, [(low, high)]).")
        if n_constraints is None:
            n_constraints = getattr(fn, "constraints", None)
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
        constraints=constraints,
    )
    study.enqueue(x0)
    run = _Run(fn, study, n_constraints is None, on_error)
    run.learn(history)
    enable_compilation_cache()
    return run.loop(stops, batch_size, executor, progress)


class _Stops:
    """When a run ends, and why."""

    def __init__(self, n_trials, timeout, target, callback) -> None:
        self.n_trials = checks.count("n_trials", n_trials, least=0)
        self.target, self.callback, self.deadline = target, callback, np.inf
        if target is not None:
            self.target = checks.real("target", target)
        if callback is not None:
            checks.function("callback", callback, "the running Result")
        if timeout is not None:
            seconds = checks.real("timeout", timeout, least=0)
            self.deadline = time.monotonic() + seconds

    def before(self, started: int) -> str:
        if started >= self.n_trials:
            return "n_trials"
        return "timeout" if time.monotonic() >= self.deadline else ""

    def after(self, run: "_Run") -> str:
        if self.target is None and self.callback is None:
            return ""
        result = run.study.result()
        sign = -1.0 if result.maximize else 1.0
        if self.target is not None and result.success:
            if sign * result.fun <= sign * self.target:
                return "target"
        try:
            stop = self.callback is not None and self.callback(result)
        except StopIteration:
            stop = True
        return "callback" if stop else ""


class _Run:
    """One call of `optimize`: the function, the study and what came of them."""

    def __init__(self, fn, study: Optimizer, guess: bool, on_error: str) -> None:
        self.fn, self.study, self.on_error = fn, study, on_error
        self.guess = guess  # whether the first return tells the constraints

    def learn(self, history: Any) -> None:
        if history is None:
            return
        x, y, g = _history(history)
        if g and self.guess:
            self._expect(g[0])
        for point, value, constraints in zip(x, y, g or [None] * len(x), strict=True):
            self.study.tell(point, value, constraints)

    def loop(self, stops: _Stops, batch: int, executor, progress: bool) -> "Result":
        started, reason, message = 0, "", ""
        flying: dict[Any, Any] = {}
        bar = _bar(stops.n_trials, progress)
        try:
            while True:
                while not reason and len(flying) < batch:
                    reason = stops.before(started)
                    asked = [] if reason else self.study.ask()
                    if not asked:
                        reason = reason or "exhausted"
                        break
                    started, point = started + 1, asked[0]
                    if executor is None:
                        self._finish(point, lambda p=point: self.fn(copy.copy(p)))
                        reason = self._step(bar, stops)
                    else:
                        flying[executor.submit(self.fn, copy.copy(point))] = point
                if not flying:
                    break
                reason = self._collect(flying, bar, stops) or reason
        except KeyboardInterrupt:
            reason, message = "interrupted", "interrupted: the best point so far"
        except Exception as error:
            error.result = self.study.result(str(error), "error")  # type: ignore[attr-defined]
            raise
        finally:
            bar.close()
        result = self.study.result(message, reason)
        if message:
            result.success, result.status = False, 2
        return result

    def _collect(self, flying: dict[Any, Any], bar, stops: _Stops) -> str:
        """Record what has ended; after an exception, everything still under way."""
        reason, first_error = "", None
        while flying:
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                try:
                    self._finish(flying.pop(future), future.result)
                except Exception as error:
                    first_error = first_error or error
                reason = self._step(bar, stops) or reason
            if first_error is None:
                return reason
        if first_error is not None:
            raise first_error
        return reason

    def _finish(self, point: Any, call: Callable[[], Any]) -> None:
        try:
            outcome = call()
        except Exception as error:
            self.study.tell(point, failed=f"{type(error).__name__}: {error}")
            if self.on_error == "raise":
                raise
            return
        f, g = _split(outcome, point)
        if self.guess and g is not None:
            self._expect(g)
        self.study.tell(point, f, g)
        # A failure does not say whether constraints will come.
        self.guess = self.guess and bool(self.study._failed[-1])

    def _expect(self, g: Any) -> None:
        """Read number and names of the constraints off the first values."""
        self.study.expect_constraints(list(g) if isinstance(g, Mapping) else np.size(g))
        self.guess = False

    def _step(self, bar, stops: _Stops) -> str:
        bar.update()
        if not bar.disable:
            bar.set_postfix_str(_brief(self.study.result()))
        return stops.after(self)


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


def _split(outcome: Any, x: Any) -> tuple[Any, Any]:
    if isinstance(outcome, Mapping):
        if "f" not in outcome:
            raise ObjectiveError(
                f"fn returned the keys {list(outcome)} at {x}: wanted 'f', maybe 'g'."
            )
        return outcome["f"], outcome.get("g")
    if isinstance(outcome, tuple):
        if len(outcome) != 2:
            raise ObjectiveError(
                f"fn returned {len(outcome)} values at {x}: wanted f or (f, g)."
            )
        return outcome
    return outcome, None


def _bar(total: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, disable=not progress, unit="trial")


def _brief(result: "Result") -> str:
    if result.x is None:
        return "nothing usable yet"
    state = "" if result.success else f", violation {result.maxcv:.3g}"
    return f"best {result.fun:.6g}{state}"


def _refuse(unknown: Mapping[str, Any]) -> None:
    known = list(inspect.signature(optimize).parameters)
    for name in unknown:
        near = difflib.get_close_matches(name, known, 1)
        hint = "n_trials" if name in RENAMED else near[0] if near else None
        advice = f": use {hint}" if hint else ""
        raise TypeError(f"optimize() has no argument {name!r}{advice}")
