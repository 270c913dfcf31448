"""Files that are either the old or the new ones, never half of either."""

import os
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a whole file, so that a reader or a crash never meets a part of it.

    Arguments:
        path: where; an existing file is replaced, its folder must exist.
        content: bytes, or text that is encoded as UTF-8.

    Raises:
        OSError: if the folder is missing or not writable; an existing file is untouched.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    # In the same folder, since a rename is atomic only within one file system.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            # Otherwise the rename may reach the disk before the data do.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # Makes the rename itself durable, where the system can open folders.
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
