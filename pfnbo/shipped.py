"""Where the data that ships with pfnbo lies: checkpoints and priors."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def folder(kind: str) -> Path:
    """Return the folder of `kind` ("checkpoints", "priors"), which may be empty.

    A wheel carries it inside the package, as `_checkpoints`; in a checkout it lies
    next to the package.
    """
    installed = PACKAGE / f"_{kind}"
    return installed if installed.is_dir() else PACKAGE.parent / kind
