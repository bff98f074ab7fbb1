"""Who evaluates a trial, and whether that process still works on it.

An owner is a list: host, number and start of the process, number of the run in it. The
empty list is nobody.
"""

import itertools
import os
import socket
from pathlib import Path

Owner = list[str | int]

_numbers = itertools.count()
_working: set[int] = set()  # numbers of the runs of this process


def enter() -> Owner:
    """Begin a run of this process and return its name."""
    number = next(_numbers)
    _working.add(number)
    return [socket.gethostname(), os.getpid(), _started(os.getpid()), number]


def leave(owner: Owner) -> None:
    """End a run of this process."""
    _working.discard(int(owner[3]))


def elsewhere(owner: Owner) -> bool:
    """Return whether the owner is on another host, where nobody can look."""
    return bool(owner) and owner[0] != socket.gethostname()


def gone(owner: Owner) -> bool:
    """Return whether there is no owner, or one of this host that has ended."""
    if not owner:
        return True
    if elsewhere(owner):
        return False
    pid = int(owner[1])
    if pid == os.getpid() and owner[3] not in _working:
        return True
    return not _alive(pid) or _started(pid) != owner[2]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def _started(pid: int) -> str:
    """Return when a process began, "?" where the system does not tell.

    A number that a later process got again is not taken for its former bearer.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "?"
