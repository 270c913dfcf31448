"""Methods by the names that commands understand: any registered optimizer, or weights."""

import re

from . import weights
from ._leaves import require_instance
from ._registry import listed, make
from .evaluation import Method
from .optimizers import OPTIMIZERS, AbstractOptimizer
from .training.tuning import FOUND, grids, tuned

TUNED = f"tuned:KIND:TASK, such as tuned:adam:lj13 (l2h/data/baselines.json, {FOUND})"


# What NAME:NUMBER stands for, where an optimizer takes one number.
NUMBERS = {
    "adam": "RATE",
    "gradient-descent": "RATE",
    "fire": "DT",
    "fire-ase": "DT",
    "bh-paper": "STEP",
    "bh-plain": "STEP",
}
# Steps of one attempt, where the name does not say: L-BFGS stays where it has converged, so
# it quenches, and begins anew. All others have one attempt with all of the budget.
STEPS = {"lbfgs": 0}
# Untrained, these are no methods.
LEARNED = ("learned", "learned-hopping")


def _shown(name: str) -> str:
    return f"{name} or {name}:{NUMBERS[name]}" if name in NUMBERS else name


def names() -> str:
    """Return a description of every name that `get` understands."""
    shown = ", ".join(_shown(name) for name in OPTIMIZERS if name not in LEARNED)
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
    if base in OPTIMIZERS and base not in LEARNED:
        build = OPTIMIZERS[base]
        steps = STEPS.get(base) if steps is None else steps
        if not colon:
            return Method(name, make(build, {}), steps)
        if base not in NUMBERS or not re.fullmatch(r"(\d+|\d*\.\d+)(e[+-]?\d+)?", number):
            raise ValueError(f"optimizer: {name!r} is unknown; write {_shown(base)}.")
        return Method(name, build(float(number)), steps)
    if base == "tuned":
        kind, _, task = number.partition(":")
        if kind not in grids():
            raise ValueError(f"optimizer: {name!r} is unknown; write {TUNED}.")
        return Method(name, tuned(kind, task), steps)
    if who in weights.names() or who.endswith(".l2h"):
        try:
            optimizer = weights.load(who)
        except OSError as error:
            raise ValueError(
                f"optimizer: {who} cannot be read ({error}); give a run's best.l2h."
            ) from error
        require_instance(optimizer=(optimizer, AbstractOptimizer))
        return Method(name, optimizer, steps)
    raise ValueError(f"optimizer: {name!r} is unknown; known are {names()}.")


def several(text: str) -> list[Method]:
    """Return the methods of these names, joined by commas.

    Raises:
        ValueError: if there are none, one is unknown, or one is named twice.
    """
    return [get(name) for name in listed("optimizers", text)]
