"""Write the files and the page of a search again, from its search.json.

l2h report runs/search-lj38-seed0
"""

from pathlib import Path
from typing import Annotated

import tyro

from .launch import prepare
from .problems import recalled


def main(
    folder: Annotated[Path, tyro.conf.Positional], /, *, potential: str | None = None
) -> None:
    """Write the files and the page of a search again.

    Args:
        folder: Where a search has left its search.json.
        potential: The one that the search was given, if it was FILE.py:NAME or
            MODULE:NAME: what is read from files never runs code.
    """
    prepare()
    from ..engine import SearchResult
    from ..engine.result import read
    from ..report.search import table, write_search

    content = read(folder)
    result = SearchResult.load(folder, recalled(content, potential))
    paths = write_search(folder, result, content["settings"].get("command"))
    print(f"{table(result)}\n")
    print("\n".join(map(str, paths)))
