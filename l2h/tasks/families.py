"""Families of tasks: what an optimizer is trained on, and what it is tried on."""

from collections.abc import Sequence
from dataclasses import dataclass

from .._registry import Registry, listed


@dataclass(frozen=True)
class Family:
    """Names of tasks that are trained on together, and of related ones kept apart."""

    tasks: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    """Never trained on: they show how far the optimizer carries over."""


FAMILIES: Registry[Family] = Registry(
    "family",
    {
        # The paper's training set (appendix, table 6).
        "lj-family": Family(
            ("lj13", "lj19", "lj31", "lj38", "lj55", "lj75"), ("lj26", "lj45", "lj64")
        ),
        "gupta-au55": Family(("Au55",), ("Au38",)),
        # Three compositions of each pair of metals; one program serves all twelve.
        "bimetallic": Family(
            tuple(
                f"{a}{count}{b}{38 - count}"
                for a, b in (("Ag", "Au"), ("Ag", "Pt"), ("Pd", "Au"), ("Pd", "Pt"))
                for count in (9, 19, 29)
            ),
            ("Ag32Au6", "Ag14Pt24", "Pd24Au14", "Pd6Pt32"),
        ),
        "si64": Family(("si64",), ("si8",)),
        "lj13": Family(("lj13",)),
        "lj75": Family(("lj75",)),
        "rough": Family(
            ("ackley10", "griewank10", "rastrigin10", "schwefel10", "styblinski-tang10"),
            ("rastrigin5", "ackley20"),
        ),
    },
)


def register_family(name: str, tasks: Sequence[str], held_out: Sequence[str] = ()) -> None:
    """Make a family known to settings and commands.

    Arguments:
        name: by which it is asked for.
        tasks: names of those that are trained on together.
        held_out: names of related ones, kept apart for the examination.

    Raises:
        ValueError: if the name is none, or taken by the library.
    """
    FAMILIES.register(name, Family(tuple(tasks), tuple(held_out)))


def expanded(names: str) -> tuple[str, ...]:
    """Return the tasks that a user means: those of a family, or those named.

    Arguments:
        names: a family, or tasks joined by commas; families may stand among them.

    Raises:
        ValueError: if a name is missing, or stands there twice.
    """
    found = (
        FAMILIES[name].tasks if name in FAMILIES else (name,)
        for name in listed("tasks", names)
    )
    return tuple(task for group in found for task in group)


def require_distinct(names: Sequence[str]) -> None:
    """Raise ValueError unless these are names of tasks, each once.

    Raises:
        ValueError: if there are none, or one is there twice.
    """
    if not names:
        raise ValueError("tasks: none given; name at least one, such as lj13.")
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"tasks: {', '.join(twice)} named twice; name each once.")


def held_out(tasks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the related tasks of the family that these tasks are; none for others."""
    return next((f.held_out for f in FAMILIES.values() if f.tasks == tasks), ())
