"""Optimizers by the names that commands understand."""

import re
from collections.abc import Callable

from l2h import weights
from l2h.evaluation import Contestant
from l2h.evaluation.tuning import grids, tuned
from l2h.optimizers import (
    LBFGS,
    AbstractOptimizer,
    Adam,
    BasinHopping,
    Fire,
    GradientDescent,
)


def _fire(dt_max: float = 0.05) -> Fire:
    # With the usual 0.4, Lennard-Jones clusters evaporate.
    return Fire.original(dt_max / 5, dt_max)


# Optimizer without and with a rate, if it takes one; what is said of it; steps of one
# attempt, or None where it goes on for the whole budget.
_Build = Callable[..., AbstractOptimizer]
REGISTRY: dict[str, tuple[_Build, str, int | None]] = {
    "adam": (Adam, "adam or adam:RATE", None),
    "gradient-descent": (
        GradientDescent,
        "gradient-descent or gradient-descent:RATE",
        None,
    ),
    "fire": (_fire, "fire or fire:DT (largest time step)", None),
    "fire-ase": (Fire.ase, "fire-ase or fire-ase:DT", None),
    # L-BFGS stays where it has converged: quench, then a fresh start.
    "lbfgs": (LBFGS, "lbfgs (quenched random starts)", 0),
    "bh-paper": (BasinHopping.paper, "bh-paper or bh-paper:STEP", None),
    "bh-plain": (BasinHopping.plain, "bh-plain or bh-plain:STEP", None),
    "bh-strong": (BasinHopping.strong, "bh-strong", None),
}
TUNED = "tuned:KIND:TASK, such as tuned:adam:lj13 (l2h/data/baselines.json)"
PLAIN = ("lbfgs", "bh-strong")


def known() -> str:
    """Return a description of every name that `contestant` understands."""
    bundled = ", ".join(weights.names())
    shown = ", ".join(shown for _, shown, _ in REGISTRY.values())
    return (
        f"{shown}; {TUNED}; bundled weights: {bundled}; the path of a "
        "run's best.l2h; each with @STEPS for attempts of so many steps"
    )


def contestant(name: str) -> Contestant:
    """Return the contestant of this name.

    Arguments:
        name: `NAME`, `NAME:NUMBER` or either with `@STEPS`: attempts of so many steps,
            each from a fresh start, until the budget is spent.

    Raises:
        ValueError: if there is no such optimizer, listing those that exist.
    """
    match = re.fullmatch(r"(?P<who>.+?)(?:@(?P<steps>\d+))?", name.strip())
    if match is None:
        raise ValueError(f"optimizer: {name!r} is no name; known are {known()}.")
    who = match["who"]
    steps = None if match["steps"] is None else int(match["steps"])
    base, _, number = who.partition(":")
    if base in REGISTRY:
        build, shown, usual = REGISTRY[base]
        steps = usual if steps is None else steps
        if not number and who == base:
            return Contestant(name, build(), steps)
        if base in PLAIN or not re.fullmatch(r"[0-9.]+(e[+-]?\d+)?", number):
            raise ValueError(f"optimizer: {name!r} is unknown; write {shown}.")
        return Contestant(name, build(float(number)), steps)
    if base == "tuned":
        kind, _, task = number.partition(":")
        if kind not in grids():
            raise ValueError(f"optimizer: {name!r} is unknown; write {TUNED}.")
        return Contestant(name, tuned(kind, task), steps)
    if who in weights.names() or who.endswith(".l2h"):
        try:
            return Contestant(name, weights.load(who), steps)
        except OSError as error:
            raise ValueError(
                f"optimizer: {who} cannot be read ({error}); give a run's best.l2h."
            ) from error
    raise ValueError(f"optimizer: {name!r} is unknown; known are {known()}.")


def contestants(names: str) -> list[Contestant]:
    """Return the contestants of these names, joined by commas.

    Raises:
        ValueError: if there are none, one is unknown, or one is named twice.
    """
    listed = [name.strip() for name in names.split(",")]
    if len(set(listed)) < len(listed):
        raise ValueError(f"optimizers: {names!r} names one twice; name each once.")
    return [contestant(name) for name in listed]
