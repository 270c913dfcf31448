"""Compiled programs are kept in the user's cache folder: the next start is a faster one."""

import hashlib
import os
import platform
import sys
import tempfile
import warnings
from pathlib import Path

SETTING = "L2H_CACHE"
"""Environment variable: another folder for compiled programs, or `off`."""
# Seconds of compilation from which a program is kept: all are. A hundred small ones, each
# compiled within a few hundredths of a second, are a third of a command's second start.
WORTH = "0"
# How JAX begins to say that an entry of its cache could not be read.
UNREADABLE = "Error reading persistent compilation cache entry"


def keep_compiled() -> None:
    """Let JAX keep compiled programs; before it is imported.

    What the environment says of JAX's own cache is left alone. A folder that cannot be
    written is no error: programs are then compiled anew.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and (path := folder()) is not None:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(path)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", WORTH)
    # What another command is still writing, or was killed while writing, cannot be read:
    # it is compiled anew, which is nobody's mistake.
    warnings.filterwarnings("ignore", UNREADABLE, UserWarning)
    # XLA logs, as an error and for every program that it loads, that processors lack what
    # are in truth preferences of its code generator. Faults reach Python as exceptions,
    # and what ends the process is logged at this level, too. JAX sets 1 where nothing is
    # said, which programs that import it hand down to the commands that they start.
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def folder() -> Path | None:
    """Return where compiled programs are kept; None if nowhere.

    The last part of the name tells processors apart: homes are shared among machines, and
    what was compiled for one may end the process on another.
    """
    said = os.environ.get(SETTING)
    if said is not None and said.lower() in ("", "0", "off", "no", "false"):
        return None
    base = Path(said) if said else _base()
    if base is None:
        return None
    path = base / f"jax-{_processor()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError:
        return None


def _base() -> Path | None:
    """Return where the system keeps a user's caches; None if there is no such user."""
    if sys.platform == "win32":
        named, usual = os.environ.get("LOCALAPPDATA", ""), "~/AppData/Local"
    elif sys.platform == "darwin":
        named, usual = "", "~/Library/Caches"
    else:
        named, usual = os.environ.get("XDG_CACHE_HOME", ""), "~/.cache"
    path = Path(named if os.path.isabs(named) else os.path.expanduser(usual))
    return path / "l2h" if path.is_absolute() else None


def _processor() -> str:
    """Return a short mark of what programs are compiled for."""
    text = f"{platform.machine()} {platform.processor()}"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        text += "".join(sorted({x for x in lines if x.startswith(("flags", "Features"))}))
    except OSError:  # another system
        pass
    return hashlib.sha256(text.encode()).hexdigest()[:12]
