"""Studies that outlive their process, in the storages of Optuna."""

from typing import TYPE_CHECKING, Any

from pfnbo.errors import SettingError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def open_storage(storage: Any) -> "BaseStorage":
    """Return the storage that a file name, an Optuna URL or a storage stands for.

    Args:
        storage: a file that ends in `.journal`, `.db`, `.sqlite` or `.sqlite3`, which
            is made when it is missing; a URL such as "postgresql://..."; or a storage
            of Optuna.

    Raises:
        SettingError: when it is none of these.
        StorageError: when the file is damaged, foreign or out of reach.
        ModuleNotFoundError: when Optuna is not installed.
    """
    require_optuna()
    from pfnbo.storage.opening import opened

    return opened(storage)


def require_optuna() -> None:
    """Raise `ModuleNotFoundError` with what to type when Optuna is missing."""
    try:
        import optuna  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "storage needs Optuna: pip install 'pfnbo[storage]'"
        ) from error


def check_name(name: Any) -> str:
    """Return the name of a study."""
    if not isinstance(name, str) or not name:
        raise SettingError(f"name is {name!r}: wanted a non-empty string.")
    return name
