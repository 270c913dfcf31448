"""Tasks by name."""

import dataclasses
import re
from collections.abc import Callable
from typing import NamedTuple

from .._registry import Registry
from ..inits import STARTS, Harmonic
from ..potentials import POTENTIALS
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


# Every pair of atoms is held at once: more would not fit any memory.
MOST_ATOMS = 10_000


class Names(NamedTuple):
    """Tasks of one kind."""

    build: Callable[..., Task]
    """Makes a task from the groups of the pattern."""
    shown: str
    """Told to users."""


# By the pattern that a name must match as a whole.
TASKS: Registry[Names] = Registry(
    "task",
    {
        r"lj(\d+)(-paper)?": Names(
            lambda n, paper: lennard_jones(int(n), paper=paper is not None),
            "lj13 or, from the paper's starts, lj13-paper (any number of atoms from 2)",
        ),
        r"[Ss]i(\d+)(-paper)?": Names(
            lambda n, paper: diamond(int(n), "paper" if paper else "full"),
            "si64 or si64-paper (8 k^3 atoms in a periodic cell)",
        ),
        r"([A-Z][a-z]?)(\d+)(?:([A-Z][a-z]?)(\d+))?": Names(
            _metal,
            "Au55, Ag19Au19 (Ag, Au, Pd, Pt, Ag-Au, Ag-Pt, Pd-Au, Pd-Pt; any composition)",
        ),
        f"({'|'.join(FUNCTIONS)})(\\d+)": Names(
            lambda name, n: function(name, int(n)),
            f"rastrigin10 ({', '.join(FUNCTIONS)}; any dimension)",
        ),
    },
)


def register(
    pattern: str, build: Callable[..., Task] | Task, shown: str | None = None
) -> None:
    """Make a task, or tasks of one kind, known to `get`, settings and commands.

    Arguments:
        pattern: the name, or a regular expression that names must match as a whole.
        build: the task, or what makes it from the groups of the expression (strings), such
            as the number of atoms.
        shown: what users are told of these names; the pattern by default.

    Raises:
        ValueError: if the name is none or taken, or the pattern is no regular expression.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"pattern: {pattern!r} is no regular expression ({error}); write a name, or "
            r"an expression such as mine(\d+)."
        ) from error
    if any(re.fullmatch(known, pattern) for known in TASKS.ours):
        raise ValueError(f"task: {pattern!r} is taken by the library; choose another name.")
    task = build
    made = (lambda: task) if isinstance(task, Task) else task
    TASKS.register(pattern, Names(made, pattern if shown is None else shown))


def names() -> tuple[str, ...]:
    """Return a description of every kind of name that `get` understands."""
    own = [f"{name}13 (n atoms)" for name in POTENTIALS if name != "lj"]
    begun = f"any of them with -{', -'.join(STARTS)} for other starts"
    return (*(names.shown for names in TASKS.values()), *own, begun)


def get(name: str) -> Task:
    """Return the task of this name.

    Arguments:
        name: of a task, such as lj38; `NAME-STARTS`, such as lj38-symmetric, begins it
            from other starts (`l2h.inits.STARTS`).

    Raises:
        ValueError: if no kind of task understands the name or one refuses it, or there
            would be more than `MOST_ATOMS`.
    """
    if not isinstance(name, str):
        raise ValueError(
            f"task: a {type(name).__name__} given; give a name, such as 'lj13'."
        )
    for pattern, known in TASKS.items():
        if match := re.fullmatch(pattern, name):
            if pattern in TASKS.ours:
                _require_few(name)
            return known.build(*match.groups())
    base, _, starts = name.rpartition("-")
    if base and starts in STARTS:
        task = get(base)
        init = STARTS[starts](task.potential, task.n)
        return dataclasses.replace(task, name=name, init=init)
    match = re.fullmatch(r"(.+?)(\d+)", name)
    if match and match[1] in POTENTIALS:
        _require_few(name)
        return _cluster(match[1], int(match[2]))
    raise ValueError(f"task: {name!r} is unknown; known names: {'; '.join(names())}.")


def _require_few(name: str) -> None:
    numbers = re.findall(r"\d+", name)
    if any(len(number) > 9 or int(number) > MOST_ATOMS for number in numbers):
        raise ValueError(
            f"task: {name:.40} asks for more than {MOST_ATOMS:,} atoms or dimensions; take "
            "fewer, as all pairs are held at once."
        )


def _cluster(potential: str, n: int) -> Task:
    """Return `n` atoms of a potential by name."""
    surface = POTENTIALS[potential]()
    if n < 2:
        raise ValueError(
            f"{potential}{n}: a cluster of {n} atoms has nothing to optimize; take at "
            "least 2."
        )
    return Task(f"{potential}{n}", surface, Harmonic(), n)
