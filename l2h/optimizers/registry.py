"""Optimizers by name."""

from collections.abc import Callable
from typing import Any

from jaxtyping import PRNGKeyArray

from .._registry import Registry
from .adam import Adam
from .base import AbstractOptimizer
from .basin_hopping import BasinHopping
from .fire import Fire
from .gradient_descent import GradientDescent
from .lbfgs import LBFGS
from .learned import Learned


def _hopping(
    key: PRNGKeyArray, preset: Any, features: Any, hidden: Any, dtype: Any
) -> BasinHopping:
    return BasinHopping.learned(
        Learned.create(key, preset=preset, features=features, hidden=hidden, dtype=dtype)
    )


def _fire(dt_max: float = 0.05) -> Fire:
    # With the usual 0.4, Lennard-Jones clusters evaporate.
    return Fire.original(dt_max / 5, dt_max)


OPTIMIZERS: Registry[Callable[..., AbstractOptimizer[Any]]] = Registry(
    "optimizer",
    {
        "learned": Learned.create,
        "learned-hopping": _hopping,
        "gradient-descent": GradientDescent,
        "adam": Adam,
        "fire": _fire,
        "fire-ase": Fire.ase,
        "lbfgs": LBFGS,
        "bh-paper": BasinHopping.paper,
        "bh-plain": BasinHopping.plain,
        "bh-strong": BasinHopping.strong,
    },
)


def register(name: str, optimizer: Callable[..., AbstractOptimizer[Any]]) -> None:
    """Make an optimizer known to settings and commands, to be trained among other things.

    Arguments:
        name: by which it is asked for.
        optimizer: a class or function that returns one. For training it is given those of
            the settings that it has parameters for: `key` (for random weights), `preset`,
            `features`, `hidden` and `dtype`.

    Raises:
        ValueError: if the name is none, or taken by the library.
    """
    OPTIMIZERS.register(name, optimizer)
