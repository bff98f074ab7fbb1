"""The one line: minimise an expensive function under black-box constraints."""

import copy
import difflib
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from typing import Any

import numpy as np

from pfnbo.cache import enable_compilation_cache
from pfnbo.errors import ObjectiveError, SettingError
from pfnbo.optimizer import Optimizer, _count
from pfnbo.result import Result
from pfnbo.strategy import CHOICES
from pfnbo.surrogates.gp import GP

RENAMED = ("n_calls", "maxiter", "n_iter", "max_evals", "budget", "max_runs")


def optimize(
    fn: Callable[[Any], Any],
    bounds: Any = None,
    n_trials: int = 50,
    *,
    n_constraints: int | Sequence[str] | None = None,
    x0: Sequence[Any] = (),
    history: Any = None,
    maximize: bool = False,
    seed: int | None = None,
    n_initial: int | None = None,
    batch_size: int = 1,
    executor: Executor | None = None,
    noise: str | float = "auto",
    surrogate: GP | None = None,
    acquisition: str = "auto",
    trust_region: bool | None = None,
    on_error: str = "raise",
    timeout: float | None = None,
    target: float | None = None,
    callback: Callable[[Result], Any] | None = None,
    progress: bool = False,
    **unknown: Any,
) -> Result:
    """Minimise `fn` over `bounds` subject to the constraints that it returns.

    Args:
        fn: takes a 1-D array (bounds as pairs) or a dict (bounds as a dict) and
            returns `f`, `(f, g)` or `{"f": ..., "g": ...}`; `g <= 0` is feasible.
        bounds: pairs, `(d, 2)` array, `scipy.optimize.Bounds`, dict or `Space`; may
            be left out for a `pfnbo.problems` problem.
        n_trials: evaluations in total, initial ones included.
        n_constraints: number or names of the constraints; read off the first return
            when left out.
        x0: points to evaluate first.
        history: `(X, y)` or `(X, y, g)` already known, or an earlier `Result`.
        maximize: whether larger objectives are better.
        seed: integer for repeatable runs.
        n_initial: size of the space-filling design, `x0` included.
        batch_size: points under evaluation at once.
        executor: any `concurrent.futures.Executor`; a new point is asked for as each
            evaluation ends.
        noise: "auto", or the standard deviation relative to that of `f`.
        surrogate: the model, an exact `GP` by default.
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
    _choice("on_error", on_error, ("raise", "record"))
    _choice("acquisition", acquisition, CHOICES)
    n_trials = _count("n_trials", n_trials, least=0)
    batch_size = _count("batch_size", batch_size, least=1)
    if not callable(fn):
        raise SettingError(f"fn is {fn!r}: wanted a function of one point.")
    if bounds is None:
        bounds = getattr(fn, "space", None)
        if bounds is None:
            raise SettingError("bounds are missing: type optimize(fn, [(low, high)]).")
        if n_constraints is None:
            n_constraints = getattr(fn, "constraints", None)
    settings = dict(
        maximize=maximize,
        seed=seed,
        n_initial=n_initial,
        noise=noise,
        surrogate=surrogate,
        acquisition=acquisition,
        trust_region=trust_region,
    )
    enable_compilation_cache()
    run = _Run(fn, bounds, n_constraints, settings, on_error)
    run.learn(history)
    run.queue(x0)
    stops = _Stops(n_trials, timeout, target, callback)
    return run.loop(stops, batch_size, executor, progress)


class _Stops:
    """When a run ends, and why."""

    def __init__(self, n_trials, timeout, target, callback) -> None:
        self.n_trials, self.target, self.callback = n_trials, target, callback
        self.deadline = np.inf if timeout is None else time.monotonic() + timeout

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
    """One call of `optimize`: the study, the queue of first points, the outcomes."""

    def __init__(self, fn, bounds, n_constraints, settings, on_error) -> None:
        self.fn, self.on_error = fn, on_error
        self.guess = n_constraints is None
        self.settings = settings
        self.study = Optimizer(
            bounds, n_constraints=0 if self.guess else n_constraints, **settings
        )
        self.study.seed = settings["seed"] = self.study.seed
        self.first: list[Any] = []

    def learn(self, history: Any) -> None:
        if history is None:
            return
        if isinstance(history, Result):
            names = history.constraint_names
            history = (history.x_iters, history.func_vals, history.constr)
            history = history if names else history[:2]
        try:
            x, y, *rest = history
        except (TypeError, ValueError):
            raise SettingError(
                "history: wanted (X, y), (X, y, g) or an earlier result."
            ) from None
        g = list(rest[0]) if rest else [None] * len(x)
        if g and rest and self.guess:
            self._rebuild(len(np.atleast_1d(np.asarray(g[0]))))
        for point, value, constraint in zip(x, y, g, strict=True):
            self.study.tell(point, value, constraint)
        self.study._asked = len(x)

    def queue(self, x0: Sequence[Any]) -> None:
        points = list(x0)
        if len(points) == len(self.study.space) and all(map(np.isscalar, points)):
            points = [np.asarray(points)]
        self.first = [
            self.study.space.decode(self.study.space.encode(x)) for x in points
        ]

    def loop(self, stops: _Stops, batch: int, executor, progress: bool) -> Result:
        started, reason, message = 0, "", ""
        flying: dict[Any, Any] = {}
        bar = _bar(stops.n_trials, progress)
        try:
            while True:
                while not reason and len(flying) < batch:
                    reason = stops.before(started)
                    point = None if reason else self._next()
                    if point is None:
                        reason = reason or "exhausted"
                        break
                    started += 1
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

    def _next(self) -> Any:
        if self.first:
            point = self.first.pop(0)
            self.study._pending.append(self.study.space.encode(point))
            self.study._asked += 1
            return point
        points = self.study.ask()
        return points[0] if points else None

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
            names = list(g) if isinstance(g, Mapping) else np.size(g)
            self._rebuild(names)
        self.study.tell(point, f, g)
        # A failure does not say whether constraints will come.
        self.guess = self.guess and bool(self.study._failed[-1])

    def _rebuild(self, n_constraints: Any) -> None:
        """Start the study over with the number of constraints now known."""
        old = self.study
        self.study = Optimizer(old.space, n_constraints=n_constraints, **self.settings)
        self.study._asked, self.study._pending = old._asked, old._pending
        self.study.time_suggest = old.time_suggest
        unknown = np.full(len(self.study.constraint_names), np.nan)
        for row, f, error in zip(old._rows, old._f, old._errors, strict=True):
            point = old.space.decode(row)
            self.study.tell(point, f, unknown, failed=error or False)
        self.guess = False

    def _step(self, bar, stops: _Stops) -> str:
        bar.update()
        if not bar.disable:
            bar.set_postfix_str(_brief(self.study.result()))
        return stops.after(self)


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


def _brief(result: Result) -> str:
    if result.x is None:
        return "nothing usable yet"
    state = "" if result.success else f", violation {result.maxcv:.3g}"
    return f"best {result.fun:.6g}{state}"


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingError(f"{name} is {value!r}: wanted one of {choices}.")


def _refuse(unknown: Mapping[str, Any]) -> None:
    known = list(inspect.signature(optimize).parameters)
    for name in unknown:
        near = difflib.get_close_matches(name, known, 1)
        hint = "n_trials" if name in RENAMED else near[0] if near else None
        advice = f": use {hint}" if hint else ""
        raise TypeError(f"optimize() has no argument {name!r}{advice}")
