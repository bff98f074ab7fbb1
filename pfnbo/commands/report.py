"""`pfnbo report`: a page and pictures of a comparison."""

import argparse
from pathlib import Path
from typing import Any

from pfnbo.errors import BenchError


def add(commands: Any) -> None:
    """Describe the command."""
    command = commands.add_parser("report", help="page of a comparison by `bench`")
    command.add_argument(
        "results", nargs="+", type=Path, help="files, or folders of them"
    )
    command.add_argument("-o", "--output", type=Path, default=Path("report.html"))
    command.add_argument("--png", type=Path, metavar="FOLDER", help="figures to write")
    command.add_argument("--problems", nargs="+", help="all when left out")
    command.add_argument("--methods", nargs="+", help="all when left out")
    command.add_argument("--trials", type=int, help="evaluations of a run to count")
    command.add_argument("--title", default="Comparison of optimisers")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pfnbo.bench.results import load  # with SciPy and every problem
    from pfnbo.report import paper
    from pfnbo.report.comparison import Comparison
    from pfnbo.report.page import page

    if not args.output.absolute().parent.is_dir():
        raise BenchError(f"{args.output}: its folder does not exist.")
    runs = {
        key: run
        for key, run in load(args.results).items()
        if not args.problems or run.problem in args.problems
        if not args.methods or run.method in args.methods
    }
    comparison = Comparison(runs, args.trials)
    args.output.write_text(page(comparison, args.title), encoding="utf-8")
    print(f"{len(comparison.runs)} runs are in {args.output}")
    if args.png:
        files = paper.save(comparison, args.png)
        print(f"{len(files)} figures are in {args.png}")
    return 0
