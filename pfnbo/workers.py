"""Processes that can be ended: evaluations with a time limit, whose crashes do no harm.

Pools of `concurrent.futures` can't stop an evaluation that hangs, and are of no more
use after one whose process died.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from typing import Any

from pfnbo import checks
from pfnbo.errors import EvaluationError, SettingError


def limited(
    fn: Callable, executor: Executor | None, seconds: float | None
) -> Executor | None:
    """Return an executor whose evaluations end in time, the given one without a limit.

    It starts no process before its first evaluation, and is to be shut down.

    Args:
        fn: the objective, which must be known to other processes by its name.
        executor: a `ProcessPoolExecutor`, whose settings are taken over.
        seconds: the limit of each evaluation.

    Raises:
        SettingError: when the executor can't end an evaluation, or `fn` can't be sent
            to another process.
    """
    if seconds is None:
        return executor
    if not isinstance(executor, ProcessPoolExecutor):
        raise SettingError(
            f"evaluation_timeout needs processes that can be ended, and executor is "
            f"{executor!r}: type executor=ProcessPoolExecutor(4), batch_size=4."
        )
    try:
        ForkingPickler.dumps(fn)
    except Exception as error:
        raise SettingError(
            f"fn can't be sent to another process ({error}): define it with def at "
            "the top of a module."
        ) from error
    return Workers(fn, executor, checks.real("evaluation_timeout", seconds, least=0))


class Workers(Executor):
    """Processes that evaluate one function, each ended and replaced when it is late.

    Args:
        fn: what every process evaluates.
        pool: whose number of processes, way of starting them and initialiser hold.
        seconds: limit of each evaluation.
    """

    def __init__(self, fn: Callable, pool: ProcessPoolExecutor, seconds: float) -> None:
        """Start no process yet."""
        # The pool has no public way to ask for its settings.
        self._first = (fn, pool._initializer, pool._initargs)  # type: ignore[attr-defined]
        context: Any = pool._mp_context  # type: ignore[attr-defined]
        if context.get_start_method() == "fork":  # it may deadlock where JAX runs
            context = multiprocessing.get_context("spawn")
        self._context, self._seconds = context, seconds
        self._threads = ThreadPoolExecutor(pool._max_workers)  # type: ignore[attr-defined]
        self._lock, self._closed = threading.Lock(), False
        self._idle: list[_Process] = []
        self._busy: list[_Process] = []

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """Evaluate the function of this pool, which `fn` must be.

        Its `EvaluationError` says that the limit was passed or the process died.
        """
        return self._threads.submit(self._evaluate, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End every process, whatever it is doing."""
        with self._lock:
            self._closed = True
            for process in self._idle + self._busy:
                process.end()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)

    def _evaluate(self, args: tuple, kwargs: dict) -> Any:
        process = self._acquire()
        try:
            outcome, error = process.call(args, kwargs, self._seconds)
        except EvaluationError:
            process.end()
            with self._lock:
                self._busy.remove(process)
            raise
        with self._lock:
            self._busy.remove(process)
            self._idle.append(process)
        if error is not None:
            raise error
        return outcome

    def _acquire(self) -> "_Process":
        with self._lock:
            if self._closed:
                raise EvaluationError("the run has ended")
            fresh = not self._idle
            process = (
                _Process(self._context, self._first) if fresh else self._idle.pop()
            )
            self._busy.append(process)
        if fresh:
            process.ready()
        return process


class _Process:
    """One process and the pipe to it."""

    def __init__(self, context: Any, first: tuple) -> None:
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *first))
        self._process.start()
        theirs.close()

    def ready(self) -> None:
        try:
            self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(
                f"a process ended with exit code {self._process.exitcode} before its "
                "first evaluation: a script must start its run under "
                "if __name__ == '__main__'."
            ) from None

    def call(self, args: tuple, kwargs: dict, seconds: float) -> tuple[Any, Any]:
        try:
            self._pipe.send((args, kwargs))
            if not self._pipe.poll(seconds):
                raise EvaluationError(f"took longer than {seconds:g} s and was ended")
            return self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise EvaluationError(
                f"its process died with exit code {self._process.exitcode}"
            ) from None

    def end(self) -> None:
        """Kill the process and those that it started."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (AttributeError, OSError):  # Windows, or it leads no group yet
            self._process.kill()
        self._process.join()


def _serve(pipe: Any, fn: Callable, initializer: Callable | None, initargs: tuple):
    """Evaluate what comes through the pipe until its other end is closed."""
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own, which Ctrl-C spares and `end` kills as one
    if initializer is not None:
        initializer(*initargs)
    pipe.send("ready")
    while True:
        try:
            args, kwargs = pipe.recv()
        except EOFError:
            return
        try:
            answer = fn(*args, **kwargs), None
        except Exception as error:
            answer = None, error
        try:
            pipe.send(answer)
        except Exception as error:  # what can't be sent
            pipe.send((None, TypeError(f"{answer!r} can't be sent: {error}")))
