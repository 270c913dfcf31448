"""Options of commands that hold optimizers against each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro


@dataclass(frozen=True)
class Compared:
    """On what optimizers are compared, and where results are kept."""

    tasks: Annotated[str, tyro.conf.Positional]
    """Names of tasks, or a family, joined by commas."""
    starts: int = 150
    """Number of held-out starts for each task; tuning has as many of its own."""
    seed: int = 0
    """Determines starts and noise."""
    folder: Path | None = None
    """Where to write, and to go on from; the default is the same for the same command."""

    def problems(self) -> list[Any]:
        """Return the tasks themselves.

        Raises:
            ValueError: if one is unknown, or named twice.
        """
        from ..tasks import expanded, get, require_distinct

        names = expanded(self.tasks)
        require_distinct(names)
        return [get(name) for name in names]
