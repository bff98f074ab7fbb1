"""`pfnbo bench`: compares optimisers on benchmark problems."""

import argparse
import sys
import textwrap
from pathlib import Path
from typing import Any

from pfnbo.commands import INTERRUPTED
from pfnbo.errors import BenchError
from pfnbo.problems import SUITES


def add(commands: Any) -> None:
    """Describe the command."""
    command = commands.add_parser("bench", help="compare optimisers on the problems")
    command.add_argument("results", type=Path, nargs="?", help="file, such as a.jsonl")
    command.add_argument("--list", action="store_true", help="list the methods")
    command.add_argument(
        "--problems",
        nargs="+",
        default=["constrained"],
        help="names, or all, constrained, unconstrained, simulated, "
        + ", ".join(SUITES),
    )
    command.add_argument(
        "--methods",
        nargs="+",
        default=["pfnbo", "random"],
        help="names, with settings as in cma:sigma=0.1, or NAME=COMMAND",
    )
    command.add_argument("--seeds", type=int, default=5, help="number of seeds")
    command.add_argument("--first-seed", type=int, default=0)
    command.add_argument("--trials", type=int, default=50, help="evaluations of a run")
    command.add_argument("--initial", type=int, default=10, help="of the shared design")
    command.add_argument("--workers", type=int, default=1, help="processes at once")
    command.add_argument(
        "--python",
        nargs="+",
        default=[],
        metavar="METHOD=PATH",
        help="interpreters of methods with packages of their own",
    )
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pfnbo.bench import runner  # imports every problem and SciPy

    if args.list:
        print(_methods())
        return 0
    if args.results is None:
        raise BenchError("name the file of the results: pfnbo bench results.jsonl")
    plan = runner.Plan(
        problems=args.problems,
        methods=args.methods,
        seeds=range(args.first_seed, args.first_seed + args.seeds),
        trials=args.trials,
        initial=args.initial,
        pythons=dict(_pair(text) for text in args.python),
    )
    quiet, workers = args.quiet, args.workers
    try:
        failures = runner.run(plan, args.results, workers=workers, progress=not quiet)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on", file=sys.stderr)
        return INTERRUPTED
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _methods() -> str:
    from pfnbo.bench.methods import METHODS
    from pfnbo.bench.methods.ours import SURROGATES

    width = max(map(len, METHODS))
    lines = [
        f"{name:{width}}  {method.about}"
        + ("" if method.installed else f" (pip install {method.package})")
        for name, method in METHODS.items()
    ]
    named = textwrap.wrap(", ".join(SURROGATES), 76, break_on_hyphens=False)
    lines += ["", "pfnbo:surrogate=NAME takes the name of a checkpoint or one of"]
    return "\n".join(lines + ["  " + line for line in named])


def _pair(text: str) -> tuple[str, str]:
    name, found, path = text.rpartition("=")  # a name may have settings
    if not (name and found and path):
        raise BenchError(f"--python {text!r}: wanted METHOD=PATH.")
    return name, path
