"""`pfnbo run`: optimises an external program that a study file describes."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pfnbo import checks
from pfnbo.commands import INTERRUPTED
from pfnbo.optimize import optimize
from pfnbo.result import Result
from pfnbo.storage import require_optuna


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = commands.add_parser("run", help="minimise what an external program says")
    parser.add_argument("study", metavar="STUDY.toml", type=Path)
    parser.add_argument("--trials", type=int, help="in total, instead of the file's")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    require_optuna()
    from pfnbo.studyfile import StudyFile

    study = StudyFile.read(args.study)
    program = study.program()
    workers = checks.count("workers", study.facts.get("workers", 1), least=1)
    trials = study.facts.get("trials", 50) if args.trials is None else args.trials
    with ThreadPoolExecutor(workers) as pool:
        try:
            result = optimize(
                program,
                study.space,
                trials,
                executor=pool,
                batch_size=workers,
                storage=study.storage,
                name=study.name,
                progress=not args.quiet,
                **study.settings(),
                **study.stops(),
            )
        finally:
            program.end()
    print(told(result))
    print(f"stored in {study.storage}, runs in {program.logs}")
    return INTERRUPTED if result.stop_reason == "interrupted" else 0


def told(result: Result) -> str:
    """Return the best point of a result, as text."""
    failed = f", {result.n_failed} failed" if result.n_failed else ""
    silent = result.stop_reason in ("", "interrupted")  # the message says the latter
    reason = "" if silent else f", ended by {result.stop_reason}"
    lines = [f"{result.nfev} evaluations{failed}{reason}: {result.message}"]
    if result.x is not None:
        lines += [f"  {name} = {value}" for name, value in result.x.items()]
        lines.append(f"  f = {result.fun:.8g}")
    return "\n".join(lines)
