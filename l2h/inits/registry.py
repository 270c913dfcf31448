"""Distributions of starts by name."""

from collections.abc import Callable

from .._registry import Registry
from ..potentials import AbstractPotential
from .base import AbstractInit
from .grown import Grown
from .harmonic import Harmonic
from .symmetric import Symmetric
from .uniform import Uniform

STARTS: Registry[Callable[[AbstractPotential, int], AbstractInit]] = Registry(
    "starts",
    {
        "symmetric": Symmetric.of,
        "grown": lambda potential, n: Grown(),
        "harmonic": lambda potential, n: Harmonic(),
        "uniform": lambda potential, n: Uniform(),
    },
)


def register(name: str, starts: Callable[[AbstractPotential, int], AbstractInit]) -> None:
    """Make a distribution of starts known to names of tasks: lj38-NAME begins so.

    Arguments:
        name: by which it is asked for; without hyphens.
        starts: from a potential and a number of atoms to a distribution.

    Raises:
        ValueError: if the name is none, has a hyphen, or is taken by the library.
    """
    if "-" in name:
        raise ValueError(f"starts: {name!r} has a hyphen; choose a name without.")
    STARTS.register(name, starts)
