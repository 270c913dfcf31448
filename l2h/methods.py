"""Methods by the names that commands understand; users add their own."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import weights
from .evaluation import Method
from .evaluation.tuning import grids, tuned
from .optimizers import (
    LBFGS,
    AbstractOptimizer,
    Adam,
    BasinHopping,
    Fire,
    GradientDescent,
)

TUNED = "tuned:KIND:TASK, such as tuned:adam:lj13 (l2h/data/baselines.json)"


@dataclass(frozen=True)
class _Entry:
    build: Callable[..., AbstractOptimizer]
    number: str | None
    steps: int | None

    def shown(self, name: str) -> str:
        return name if self.number is None else f"{name} or {name}:{self.number}"


_REGISTRY: dict[str, _Entry] = {}


def register(
    name: str,
    build: Callable[..., AbstractOptimizer],
    *,
    number: str | None = None,
    steps: int | None = None,
) -> None:
    """Give an optimizer a name that `get` and the commands understand.

    Arguments:
        name: without colon, comma and at sign.
        build: makes the optimizer, without an argument.
        number: what NAME:NUMBER stands for, such as RATE, if `build` also takes a number.
        steps: of one attempt, where the name does not say; None for one attempt with all
            of the budget.

    Raises:
        ValueError: if the name is taken, or has one of these characters.
    """
    if not re.fullmatch(r"[^:,@\s]+", name) or name.endswith(".l2h"):
        raise ValueError(
            f"name: {name!r} given; leave out colon, comma, at sign, space and .l2h."
        )
    if name in _REGISTRY or name == "tuned" or name in weights.names():
        raise ValueError(f"name: {name!r} is taken; choose another.")
    _REGISTRY[name] = _Entry(build, number, steps)


def _fire(dt_max: float = 0.05) -> Fire:
    # With the usual 0.4, Lennard-Jones clusters evaporate.
    return Fire.original(dt_max / 5, dt_max)


register("adam", Adam, number="RATE")
register("gradient-descent", GradientDescent, number="RATE")
register("fire", _fire, number="DT")
register("fire-ase", Fire.ase, number="DT")
# L-BFGS stays where it has converged: quench, then a fresh start.
register("lbfgs", LBFGS, steps=0)
register("bh-paper", BasinHopping.paper, number="STEP")
register("bh-plain", BasinHopping.plain, number="STEP")
register("bh-strong", BasinHopping.strong)


def names() -> str:
    """Return a description of every name that `get` understands."""
    shown = ", ".join(entry.shown(name) for name, entry in _REGISTRY.items())
    return (
        f"{shown}; {TUNED}; bundled weights: {', '.join(weights.names())}; the path of a "
        "run's best.l2h; each with @STEPS for attempts of so many steps"
    )


def get(name: str) -> Method:
    """Return the method of this name.

    Arguments:
        name: `NAME`, `NAME:NUMBER` or either with `@STEPS`: attempts of so many steps,
            each from a fresh start, until the budget is spent.

    Raises:
        ValueError: if there is no such method, listing those that exist.
    """
    match = re.fullmatch(r"(?P<who>.+?)(?:@(?P<steps>\d{1,10}))?", name.strip())
    if match is None:
        raise ValueError(f"optimizer: {name!r} is no name; known are {names()}.")
    who = match["who"]
    steps = None if match["steps"] is None else int(match["steps"])
    base, colon, number = who.partition(":")
    if base in _REGISTRY:
        entry = _REGISTRY[base]
        steps = entry.steps if steps is None else steps
        if not colon:
            return Method(name, entry.build(), steps)
        if entry.number is None or not re.fullmatch(r"[0-9.]+(e[+-]?\d+)?", number):
            raise ValueError(f"optimizer: {name!r} is unknown; write {entry.shown(base)}.")
        return Method(name, entry.build(float(number)), steps)
    if base == "tuned":
        kind, _, task = number.partition(":")
        if kind not in grids():
            raise ValueError(f"optimizer: {name!r} is unknown; write {TUNED}.")
        return Method(name, tuned(kind, task), steps)
    if who in weights.names() or who.endswith(".l2h"):
        try:
            return Method(name, weights.load(who), steps)
        except OSError as error:
            raise ValueError(
                f"optimizer: {who} cannot be read ({error}); give a run's best.l2h."
            ) from error
    raise ValueError(f"optimizer: {name!r} is unknown; known are {names()}.")


def several(listed: str) -> list[Method]:
    """Return the methods of these names, joined by commas.

    Raises:
        ValueError: if there are none, one is unknown, or one is named twice.
    """
    parts = [name.strip() for name in listed.split(",")]
    if len(set(parts)) < len(parts):
        raise ValueError(f"optimizers: {listed!r} names one twice; name each once.")
    return [get(name) for name in parts]
