"""The loop of a run: asks, evaluates, tells, and knows when to stop."""

import contextlib
import copy
import functools
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pfnbo import checks
from pfnbo.crew import Crew
from pfnbo.errors import EvaluationError, ObjectiveError, StorageError
from pfnbo.optimizer import Optimizer

if TYPE_CHECKING:
    from pfnbo.result import Result

HASTY = ("target", "timeout", "callback")  # ends that leave chosen points alone


class Stops:
    """When a run ends, and why."""

    def __init__(
        self, n_trials, timeout, target, callback, min_improvement=None
    ) -> None:
        """Check the settings and start the clock."""
        self.least = None
        if min_improvement is not None:
            self.least = checks.real("min_improvement", min_improvement, least=0)
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
        """Return why no further evaluation begins, "" when one does."""
        if started >= self.n_trials:
            return "n_trials"
        return "timeout" if self.late else ""

    @property
    def late(self) -> bool:
        """Whether the time is over in which evaluations begin."""
        return time.monotonic() >= self.deadline

    def during(self, study: Optimizer) -> str:
        """Return why what is under evaluation is the last, "" when it is not."""
        if self.least is None or study.expected_improvement() >= self.least:
            return ""
        return "min_improvement"

    def after(self, run: "Run") -> str:
        """Return why an evaluation was the last one, "" when it was not."""
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


class Run:
    """One call of `optimize`: the function, the study and what came of them."""

    def __init__(self, fn, study: Optimizer, guess: bool, on_error: str) -> None:
        """Hold them together."""
        self.fn, self.study, self.on_error = fn, study, on_error
        self.started = 0
        self.guess = guess  # whether the first return tells the constraints

    def learn(self, x: list, y: list, g: list) -> None:
        """Tell the study what is known already."""
        if g and self.guess:
            self._expect(g[0])
        for point, value, constraints in zip(x, y, g or [None] * len(x), strict=True):
            self.study.tell(point, value, constraints)

    def loop(self, stops: Stops, batch: int, executor, progress: bool) -> "Result":
        """Evaluate until something says stop, and return the result."""
        reason, message = "", ""
        crew = None if executor is None else Crew(executor, self.fn, batch)
        ledger = self.study._ledger
        bar = _bar(stops.n_trials, progress, len(self.study._f) if ledger else 0)
        try:
            reason = self._alone(stops, bar) if crew is None else ""
            while crew is not None:
                if reason not in HASTY and crew.waiting and stops.late:
                    reason = "timeout"
                if reason in HASTY:
                    crew.dismiss()
                crew.launch()
                reason = reason or self._fill(crew, stops)
                if not crew.busy:
                    break
                reason = self._collect(crew, bar, stops) or reason
        except KeyboardInterrupt:
            reason, message = "interrupted", "interrupted: the best point so far"
        except Exception as error:
            error.result = self.study.result(str(error), "error")  # type: ignore[attr-defined]
            raise
        finally:
            bar.close()
            if ledger is not None:
                with contextlib.suppress(StorageError):  # what ended the run is told
                    ledger.release()
        result = self.study.result(message, reason)
        if message:
            result.success, result.status = False, 2
        return result

    def _alone(self, stops: Stops, bar) -> str:
        """Evaluate here, one point after the other; return why no more."""
        reason = ""
        while not reason:
            point, reason = self._ask(stops)
            if point is not None:
                self._finish(point, functools.partial(self.fn, copy.copy(point)))
                reason = self._step(bar, stops) or reason
        return reason

    def _fill(self, crew: Crew, stops: Stops) -> str:
        """Give the crew what it wants; return why there is no more."""
        reason = ""
        while not reason and crew.wants(self.study.time_suggest):
            point, reason = self._ask(stops)
            if point is not None:
                crew.take(point)
        return reason

    def _ask(self, stops: Stops) -> tuple[Any, str]:
        """Return a point or None, and why it is the last, "" when it is not."""
        reason = stops.before(self.started)
        asked = [] if reason else self.study.ask()
        if not asked:
            return None, reason or self._nothing()
        self.started += 1
        return asked[0], stops.during(self.study)

    def _nothing(self) -> str:
        """Return why the study asks for no further point."""
        ledger = self.study._ledger
        return "n_trials" if ledger and ledger.full else "exhausted"

    def _collect(self, crew: Crew, bar, stops: Stops) -> str:
        """Record what has ended; after an exception, everything still under way."""
        reason, first_error = "", None
        while crew.busy:
            for point, call in crew.ended():
                try:
                    self._finish(point, call)
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
            cut = isinstance(error, EvaluationError)  # its limits were asked for
            if self.on_error == "raise" and not cut:
                raise
            return
        f, g = _split(outcome, point)
        if self.guess and g is not None and not self.study.constraint_names:
            self._expect(g)
        self.study.tell(point, f, g)
        # A failure does not say whether constraints will come.
        self.guess = self.guess and bool(self.study._failed[-1])

    def _expect(self, g: Any) -> None:
        """Read number and names of the constraints off the first values."""
        self.study.expect_constraints(list(g) if isinstance(g, Mapping) else np.size(g))
        self.guess = False

    def _step(self, bar, stops: Stops) -> str:
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


def _bar(total: int, progress: bool, done: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, initial=done, disable=not progress, unit="trial")


def _brief(result: "Result") -> str:
    times = result.time_suggest
    took = f", {times[-1]:.3g} s to choose" if len(times) else ""
    if result.x is None:
        return f"nothing usable yet{took}"
    state = "" if result.success else f", violation {result.maxcv:.3g}"
    return f"best {result.fun:.6g}{state}{took}"
