"""Tasks by name."""

import re
from collections.abc import Callable, Iterable

from .base import Task
from .functions import FUNCTIONS, function
from .lennard_jones import lennard_jones
from .metals import metal
from .silicon import diamond


def _metal(*groups: str | None) -> Task:
    first, count, second, other = groups
    if second is None:
        return metal({str(first): int(str(count))})
    if second == first:
        raise ValueError(f"{first}: named twice; write the sum of its atoms once.")
    return metal({str(first): int(str(count)), second: int(str(other))})


# Pattern of a name, how to build the task from its groups, and what to show users.
_FAMILIES: list[tuple[str, Callable[..., Task], str]] = [
    (
        r"lj(\d+)(-paper)?",
        lambda n, paper: lennard_jones(int(n), paper=paper is not None),
        "lj13 or, from the paper's starts, lj13-paper (any number of atoms from 2)",
    ),
    (
        r"[Ss]i(\d+)(-paper)?",
        lambda n, paper: diamond(int(n), "paper" if paper else "full"),
        "si64 or si64-paper (8 k^3 atoms in a periodic cell)",
    ),
    (
        r"([A-Z][a-z]?)(\d+)(?:([A-Z][a-z]?)(\d+))?",
        _metal,
        "Au55, Ag19Au19 (Ag, Au, Pd, Pt, Ag-Au, Ag-Pt, Pd-Au, Pd-Pt; any composition)",
    ),
    (
        f"({'|'.join(FUNCTIONS)})(\\d+)",
        lambda name, n: function(name, int(n)),
        f"rastrigin10 ({', '.join(FUNCTIONS)}; any dimension)",
    ),
]


def names() -> tuple[str, ...]:
    """Return a description of every family of names that `get` understands."""
    return tuple(shown for _, _, shown in _FAMILIES)


def get(name: str) -> Task:
    """Return the task of this name.

    Raises:
        ValueError: if no family understands the name, or a family refuses it.
    """
    for pattern, build, _ in _FAMILIES:
        if match := re.fullmatch(pattern, name):
            return build(*match.groups())
    raise ValueError(f"task: {name!r} is unknown; known names: {'; '.join(names())}.")


def mixture(tasks: Iterable[str | Task], instances: int = 80) -> dict[str, int]:
    """Return how many copies of each task share `instances`: floor(instances / m).

    Raises:
        ValueError: if a task is named twice or there are more tasks than instances.

    Reference: Learn2Hop, appendix D.1.
    """
    listed = [task if isinstance(task, str) else task.name for task in tasks]
    if len(set(listed)) < len(listed):
        raise ValueError(f"tasks: {listed} names a task twice; name each once.")
    if not listed or instances < len(listed):
        raise ValueError(
            f"instances: {instances} cannot be shared by {len(listed)} tasks; give at "
            "least one task and one instance for each."
        )
    return {name: instances // len(listed) for name in listed}
