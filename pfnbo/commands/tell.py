"""`pfnbo tell`: records what came of a point that `pfnbo suggest` printed."""

import argparse
from pathlib import Path

from pfnbo.commands.run import told
from pfnbo.errors import TellError
from pfnbo.storage import require_optuna


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = commands.add_parser("tell", help="record what a suggested point gave")
    parser.add_argument("study", metavar="STUDY.toml", type=Path)
    parser.add_argument("trial", metavar="TRIAL", type=int, help="its number")
    outcome = parser.add_mutually_exclusive_group(required=True)
    outcome.add_argument("--f", type=float, help="the objective")
    outcome.add_argument("--failed", metavar="REASON", help="it gave nothing")
    parser.add_argument(
        "--g",
        metavar="NAME=VALUE",
        type=_constraint,
        action="append",
        default=[],
        help="a constraint, satisfied where <= 0; once for each",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    require_optuna()
    from pfnbo.studyfile import StudyFile

    optimizer, ledger = StudyFile.read(args.study).optimizer()
    pending = ledger.pending()
    if args.trial not in pending:
        raise TellError(
            f"trial {args.trial} is not pending: wanted one of {list(pending)}, see "
            f"pfnbo suggest {args.study} --pending."
        )
    failed = False if args.failed is None else args.failed or True
    optimizer.tell(pending[args.trial], args.f, dict(args.g) or None, failed=failed)
    print(told(optimizer.result()))
    return 0


def _constraint(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        number = None
    if not name or number is None:
        raise argparse.ArgumentTypeError(f"{text!r}: wanted NAME=VALUE")
    return name, number
