"""`pfnbo dashboard`: shows a stored study in the browser, by optuna-dashboard."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from pfnbo.errors import SettingError
from pfnbo.storage import open_storage


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = commands.add_parser("dashboard", help="show a stored study in the browser")
    parser.add_argument("storage", metavar="STORAGE", help="its file, or an Optuna URL")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=8080)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if find_spec("optuna_dashboard") is None:
        raise SettingError(
            "dashboard needs optuna-dashboard: pip install 'pfnbo[dashboard]'"
        )
    if "://" not in args.storage and not Path(args.storage).is_file():
        raise SettingError(f"{args.storage} does not exist: name a stored study.")
    storage = open_storage(args.storage)
    from optuna_dashboard import run_server

    print(f"http://{args.host}:{args.port}/dashboard until Ctrl-C", flush=True)
    run_server(storage, host=args.host, port=args.port)
    return 0
