"""Learned optimizers for the lowest-energy structure of a set of atoms."""

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from . import (
        evaluation as evaluation,
        inits as inits,
        io as io,
        meta as meta,
        optimizers as optimizers,
        potentials as potentials,
        spaces as spaces,
        tasks as tasks,
        testing as testing,
        training as training,
        weights as weights,
    )
    from ._citation import citation as citation
    from ._rollout import Rollout as Rollout, advance as advance, rollout as rollout
    from .engine import SearchResult as SearchResult, search as search

# Everything is imported when first asked for: commands then answer before JAX is there, and
# whoever composes optimizers and potentials waits for these alone.
_MODULES = (
    "engine",
    "evaluation",
    "inits",
    "io",
    "meta",
    "optimizers",
    "potentials",
    "spaces",
    "tasks",
    "testing",
    "training",
    "weights",
)
_HOMES = {
    "Rollout": "_rollout",
    "advance": "_rollout",
    "rollout": "_rollout",
    "SearchResult": "engine",
    "search": "engine",
    "citation": "_citation",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_HOMES})
