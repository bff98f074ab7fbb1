"""`pfnbo suggest`: prints the next points of a study that is evaluated by hand."""

import argparse
import json
from pathlib import Path

from pfnbo.compilation import enable_compilation_cache
from pfnbo.storage import require_optuna


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = commands.add_parser("suggest", help="next points to evaluate by hand")
    parser.add_argument("study", metavar="STUDY.toml", type=Path)
    parser.add_argument("-n", type=int, default=1, help="number of new points")
    parser.add_argument(
        "--pending", action="store_true", help="those not told yet, and none new"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    require_optuna()
    from pfnbo.studyfile import StudyFile

    optimizer, ledger = StudyFile.read(args.study).optimizer()
    before = [] if args.pending else list(ledger.pending())
    if not args.pending:
        enable_compilation_cache()
        optimizer.ask(args.n)
    for number, x in ledger.pending().items():
        if number not in before:
            print(json.dumps({"trial": number, **x}, default=repr))
    return 0
