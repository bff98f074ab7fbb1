"""`pfnbo watch`: keeps a page of a running study that a browser shows and renews."""

import argparse
import os
import time
from pathlib import Path

from pfnbo import checks
from pfnbo.errors import SettingError
from pfnbo.storage import open_storage


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = commands.add_parser("watch", help="keep a page of a running study")
    parser.add_argument("storage", metavar="STORAGE", help="its file, or an Optuna URL")
    parser.add_argument("--name", help="of the study, where the storage has several")
    parser.add_argument("-o", "--output", type=Path, default=Path("study.html"))
    parser.add_argument("--every", type=float, default=5.0, help="seconds (5)")
    parser.add_argument("--once", action="store_true", help="write it and end")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    every = checks.real("--every", args.every, least=0.1)
    if "://" not in args.storage and not Path(args.storage).is_file():
        raise SettingError(f"{args.storage} does not exist: name a stored study.")
    if not args.output.absolute().parent.is_dir():
        raise SettingError(f"{args.output}: its folder does not exist.")
    storage = open_storage(args.storage)
    name = _study(storage, args.storage, args.name)
    _write(storage, name, args.output, None if args.once else every)
    print(f"{args.output} shows {name!r}", flush=True)
    try:
        while not args.once:
            time.sleep(every)
            _write(storage, name, args.output, every)
    except KeyboardInterrupt:
        _write(storage, name, args.output, None)  # the last one stays as it is
    return 0


def _study(storage, given: str, name: str | None) -> str:
    """Return the name of the study to show."""
    names = sorted(study.study_name for study in storage.get_all_studies())
    if name is None and len(names) == 1:
        return names[0]
    if name is None or name not in names:
        asked = "several studies" if name is None and names else f"no study {name!r}"
        raise SettingError(f"{given} has {asked}: wanted --name of {names}.")
    return name


def _write(storage, name: str, path: Path, every: float | None) -> None:
    """Write the page in one step, so that no browser reads half of it."""
    from pfnbo.report.live import live
    from pfnbo.storage.ledger import shown

    trials, maximize = shown(storage, name)
    new = path.with_suffix(f"{path.suffix}.new")
    page = live(name, trials, maximize=maximize, every=every)
    new.write_text(page, encoding="utf-8")
    os.replace(new, path)
