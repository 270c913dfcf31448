"""Potentials by name."""

from collections.abc import Callable

from .._registry import Registry
from .base import AbstractPotential
from .lennard_jones import LennardJones
from .soft_sphere import SoftSphere

POTENTIALS: Registry[Callable[[], AbstractPotential]] = Registry(
    "potential", {"lj": LennardJones, "soft-sphere": SoftSphere}
)


def register(name: str, potential: Callable[[], AbstractPotential]) -> None:
    """Make a potential known by name, and clusters of n of its atoms as tasks.

    Arguments:
        name: by which it is asked for; its clusters are called name and number, `morse13`.
        potential: a class or function that returns one without being given anything.

    Raises:
        ValueError: if the name is none, or taken by the library.
    """
    POTENTIALS.register(name, potential)
