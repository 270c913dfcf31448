"""One writer at a time."""

import errno
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

if os.name == "nt":
    import msvcrt

    def _hold(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _hold(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder for one process; the system lets go of it when the process ends.

    A file `.lock` stays behind, without meaning.

    Arguments:
        folder: an existing folder.

    Raises:
        ValueError: if another process holds it.
        OSError: if the folder is missing or not writable.
    """
    with open(folder / ".lock", "ab") as file:
        try:
            _hold(file)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
                raise ValueError(
                    f"run folder: another process writes to {folder}; wait for its end, or "
                    "choose another folder."
                ) from error
            warnings.warn(
                f"{folder} cannot be locked ({error}); make sure that no second process "
                "writes there.",
                stacklevel=3,
            )
        yield
