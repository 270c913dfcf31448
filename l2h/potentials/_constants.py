"""Published constants, from the data files of the package."""

import functools
import importlib.resources
import tomllib
from typing import Any


@functools.cache
def tables(name: str) -> dict[str, dict[str, Any]]:
    """Return the tables of the data file `name` (without its ending)."""
    path = importlib.resources.files("l2h") / "data" / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def table(file: str, name: str, argument: str) -> dict[str, Any]:
    """Return one table of a data file.

    Raises:
        ValueError: if there is none of that name; `argument` is what the user calls it.
    """
    known = tables(file)
    if name not in known:
        raise ValueError(f"{argument}: {name!r} is unknown; choose from {sorted(known)}.")
    return known[name]
