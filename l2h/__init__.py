"""Learned optimizers for the lowest-energy structure of a set of atoms."""

import importlib
from typing import TYPE_CHECKING, Any

from . import (
    inits as inits,
    meta as meta,
    optimizers as optimizers,
    potentials as potentials,
    spaces as spaces,
    tasks as tasks,
)
from ._version import __version__ as __version__
from .rollout import Rollout as Rollout, advance as advance, rollout as rollout

if TYPE_CHECKING:
    from . import (
        evaluation as evaluation,
        io as io,
        testing as testing,
        training as training,
        weights as weights,
    )
    from .engine import SearchResult as SearchResult, search as search

# Imported when first asked for: composing optimizers and potentials needs none of them.
_LATER = ("engine", "evaluation", "io", "testing", "training", "weights")
_ENGINE = ("search", "SearchResult")


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return importlib.import_module(f".{name}", __name__)
    if name in _ENGINE:
        return getattr(importlib.import_module(".engine", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_ENGINE})
