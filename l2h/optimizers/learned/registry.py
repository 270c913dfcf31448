"""Feature sets by name."""

from collections.abc import Callable
from typing import Any

from ..._registry import Registry
from .base import AbstractFeatures
from .componentwise import Componentwise
from .equivariant import Equivariant

FEATURES: Registry[Callable[[], AbstractFeatures[Any]]] = Registry(
    "features", {"equivariant": Equivariant, "componentwise": Componentwise}
)


def register(name: str, features: Callable[[], AbstractFeatures[Any]]) -> None:
    """Make a feature set known to `Learned.create`, settings and commands.

    Arguments:
        name: by which it is asked for.
        features: a class or function that returns one without being given anything.

    Raises:
        ValueError: if the name is none, or taken by the library.
    """
    FEATURES.register(name, features)
