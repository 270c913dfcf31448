"""Meta-strategies and meta-optimizers by name."""

from collections.abc import Callable

import optax

from .._registry import Registry
from .base import AbstractMetaStrategy
from .es import ES, ESMC, MetaOptimizer, NormalizedES
from .ga import GA

STRATEGIES: Registry[Callable[..., AbstractMetaStrategy]] = Registry(
    "strategy", {"normalized-es": NormalizedES, "es": ES, "esmc": ESMC, "ga": GA}
)
META_OPTIMIZERS: Registry[MetaOptimizer] = Registry(
    "meta_optimizer",
    {name: getattr(optax, name) for name in ("adam", "adamw", "lion", "rmsprop", "sgd")},
)


def register(name: str, strategy: Callable[..., AbstractMetaStrategy]) -> None:
    """Make a meta-strategy known to settings and commands.

    Arguments:
        name: by which it is asked for.
        strategy: a class or function that returns one. Of the training settings it is
            given those that it has parameters for: `pairs`, `members` (twice as many),
            `sigma`, `learning_rate` (both schedules), `optimizer` (makes the
            meta-optimizer), `clip`, `centre`, `parents`, `elites`, `crossover`.

    Raises:
        ValueError: if the name is none, or taken by the library.
    """
    STRATEGIES.register(name, strategy)


def register_optimizer(name: str, optimizer: MetaOptimizer) -> None:
    """Make a meta-optimizer known to settings and commands.

    Arguments:
        name: by which it is asked for.
        optimizer: makes an optax transformation from a learning rate.

    Raises:
        ValueError: if the name is none, or taken by the library.
    """
    META_OPTIMIZERS.register(name, optimizer)
