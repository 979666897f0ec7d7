"""Kernels on disk: what one process compiled the next one loads.

To load machine code is to run what was found. So nothing is read but what this user wrote, where nobody else can write,
and whole: a file has the digest of its contents. Where that cannot be, and where the disk is full, nothing is kept.
"""

import os
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

PRIVATE = 0o700
OTHERS_WRITE = 0o022

KEPT = 30 * 24 * 3600
"""Seconds for which a file that nobody reads stays: one of another edition, say, or of a process that was killed."""

_user = getattr(os, "geteuid", None)
"""Who runs this process; Windows gives each user folders of his own."""


def read(key: str) -> bytes | None:
    """What was written under a key, or None."""
    found, name = folder(), _name(key)
    if found is None:
        return None
    try:
        with open(found / name, "rb") as file:
            content = file.read() if _is_ours(os.fstat(file.fileno())) else b""
    except OSError:
        return None
    digest, kept = content[: sha256().digest_size], content[sha256().digest_size :]
    return kept if digest == _digest(name, kept) else None


def write(key: str, kept: bytes) -> None:
    """Keeps it for `read`, whole or not at all, in place of what was there."""
    found, name = folder(), _name(key)
    if found is None:
        return
    with suppress(OSError), NamedTemporaryFile(dir=found, delete=False) as file:
        try:
            file.write(_digest(name, kept) + kept)
            file.close()
            os.replace(file.name, found / name)
        finally:  # nothing is left of it if it was replaced
            with suppress(OSError):
                os.unlink(file.name)
    _sweep(found)


def _sweep(found: Path) -> None:
    """Deletes what was not read for long; who has it open goes on, and another process may have been faster."""
    with suppress(OSError), os.scandir(found) as files:
        for file in files:
            with suppress(OSError):
                status = file.stat(follow_symlinks=False)
                if max(status.st_atime, status.st_mtime) < time.time() - KEPT:
                    os.unlink(file)


def folder() -> Path | None:
    """Where kernels are kept, in NUMBA_CACHE_DIR or the user's cache folder; made if it is not there.

    A path that is not absolute is none, as the specification of XDG_CACHE_HOME says: it would depend on where a program
    is started.
    """
    found = _base() / "vmapcore" / "kernels"
    if not found.is_absolute():
        return None
    try:
        for path in (*reversed(found.parents), found):
            if not path.exists():
                with suppress(FileExistsError):  # another process made it meanwhile
                    path.mkdir(PRIVATE)
        return found if _is_ours(found.stat()) else None
    except OSError:
        return None


def _base() -> Path:
    chosen = Path(os.environ.get("NUMBA_CACHE_DIR", ""))
    if chosen.is_absolute():
        return chosen
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", ""))
    if sys.platform == "darwin":
        return Path(os.path.expanduser("~/Library/Caches"))
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return chosen if chosen.is_absolute() else Path(os.path.expanduser("~/.cache"))


def _is_ours(found: os.stat_result) -> bool:
    """Whether nobody but this user can have written it."""
    return _user is None or (found.st_uid == _user() and not found.st_mode & OTHERS_WRITE)


def _name(key: str) -> str:
    return sha256(key.encode()).hexdigest() + ".kernel"


def _digest(name: str, kept: bytes) -> bytes:
    return sha256(name.encode() + kept).digest()
