"""The pieces that the settings of a training run stand for."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from .._leaves import cast, require_instance
from .._platform import accelerated
from .._registry import make
from ..domains import Domain
from ..meta import (
    META_OPTIMIZERS,
    STRATEGIES,
    AbstractMetaStrategy,
    Objective,
    Trainer,
    cosine,
    count,
)
from ..optimizers import OPTIMIZERS, AbstractOptimizer, Learned
from .config import TrainingConfig

# Of an accelerator's memory, what a chunk may fill by estimate.
FRACTION = 0.5


def optimizer(config: TrainingConfig) -> AbstractOptimizer[Any]:
    """Return the optimizer before training, where no trained weights begin it.

    Raises:
        ValueError: as `prepared`.
    """
    return _sized(config, _made(config))


def shapes(config: TrainingConfig) -> AbstractOptimizer[Any]:
    """Return the optimizer with shapes in place of arrays, which take no memory."""
    return eqx.filter_eval_shape(lambda: optimizer(config))


def prepared(
    config: TrainingConfig, weights: AbstractOptimizer[Any]
) -> AbstractOptimizer[Any]:
    """Return trained weights as these settings train them on: those of a network take the
    place of the network, wherever the optimizer of these settings has it.

    Raises:
        ValueError: if it has none; if `sizes` does not name all numbers of atoms that there
            are biases for, or that are to be trained; or if there is no network for them.
    """
    if isinstance(weights, Learned):
        whole = _made(config)
        if not _networks(whole):
            raise ValueError(
                f"warm_start: weights of a network, but {config.optimizer} has none; train "
                "an optimizer that has, such as learned."
            )
        weights = _with_networks(lambda _: weights, whole)
    return _sized(config, cast(weights, config.dtype))


def with_room(config: TrainingConfig, weights: AbstractOptimizer[Any]) -> TrainingConfig:
    """Return these settings with room for all biases of the weights to begin with."""
    biases = [network.size_biases for network in _networks(weights)]
    known = [each.atoms for each in biases if each is not None]
    if config.sizes or not known:
        return config
    room = _own_sizes(config).union(*known)
    return dataclasses.replace(config, sizes=tuple(sorted(room)))


def filling(config: TrainingConfig, devices: int) -> TrainingConfig:
    """Return these settings with chunks that suit the machine: on accelerators, each
    device's whole share of the population at once, as far as its memory allows.

    Arguments:
        config: settings whose chunk nobody has chosen.
        devices: that share the population.
    """
    if not accelerated():
        return config
    share = -(-meta_strategy(config).population // devices)
    whole = dataclasses.replace(config, chunk=share)
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return whole if limit is None else within(whole, FRACTION * limit / 2**20)


def within(config: TrainingConfig, mebibytes: float) -> TrainingConfig:
    """Return these settings with chunks small enough for a device's memory.

    Raises:
        ValueError: if not even a single member fits.
    """
    whole = trainer(config)
    member = whole.memory(count(shapes(config))) / whole.width / 2**20
    fitting = int(mebibytes / member)
    if fitting < 1:
        raise ValueError(
            f"memory: {mebibytes} MiB given, but a single member on "
            f"{config.starts_per_task} starts needs about {member:.1f} MiB; allow more, "
            "or lower starts_per_task."
        )
    return dataclasses.replace(config, chunk=min(config.chunk, fitting))


def meta_strategy(config: TrainingConfig) -> AbstractMetaStrategy:
    """Return the meta-strategy.

    Raises:
        ValueError: if a setting is out of its range.
    """
    first, last = config.learning_rate, config.final_learning_rate
    offered = {
        "pairs": config.pairs,
        "members": 2 * config.pairs,
        "sigma": _schedule(config, config.sigma, config.final_sigma),
        "learning_rate": _schedule(config, first, 0.3 * first if last is None else last),
        "optimizer": META_OPTIMIZERS[config.meta_optimizer],
        "clip": config.clip,
        "centre": config.centre,
        "parents": config.parents,
        "elites": config.elites,
        "crossover": config.crossover,
    }
    made = make(STRATEGIES[config.strategy], offered)
    require_instance(strategy=(made, AbstractMetaStrategy))
    return made


def trainer(config: TrainingConfig, devices: int = 1) -> Trainer:
    """Return the composed meta-update.

    Raises:
        ValueError: if a setting is out of its range, or there are fewer devices.
    """
    objective = Objective(
        final=config.final,
        best=config.best,
        mean_best=config.mean_best,
        quantile=config.quantile,
        soft=config.soft,
        shortest=float(config.shortest),
        longest=float(config.longest),
        horizons=config.horizons,
        scaling=config.scaling,
        bounded=config.bounded,
    )
    return Trainer(
        meta_strategy(config),
        objective,
        config.problems(),
        starts_per_task=config.starts_per_task,
        chunk=config.chunk,
        devices=devices,
        precision=config.precision,
        updates=float(config.updates),
    )


def _made(config: TrainingConfig) -> AbstractOptimizer[Any]:
    """Return the optimizer as its maker has it."""
    offered = {
        "key": Domain.WEIGHTS.key(config.seed),
        "preset": config.preset,
        "features": config.features,
        "hidden": config.hidden,
        "dtype": config.dtype,
    }
    made = make(OPTIMIZERS[config.optimizer], offered)
    require_instance(optimizer=(made, AbstractOptimizer))
    return cast(made, config.dtype)


def _is_network(part: Any) -> bool:
    return isinstance(part, Learned)


def _networks(whole: AbstractOptimizer[Any]) -> list[Learned]:
    """Return the learned optimizers that an optimizer is, or has within."""
    parts = jax.tree.leaves(whole, is_leaf=_is_network)
    return [part for part in parts if _is_network(part)]


def _with_networks(
    change: Callable[[Learned], Any], whole: AbstractOptimizer[Any]
) -> AbstractOptimizer[Any]:
    """Return an optimizer with every learned one within it changed."""
    return jax.tree.map(
        lambda part: change(part) if _is_network(part) else part, whole, is_leaf=_is_network
    )


def _sized(config: TrainingConfig, whole: AbstractOptimizer[Any]) -> AbstractOptimizer[Any]:
    """Return an optimizer whose networks have biases for the sizes of these settings."""
    own = _own_sizes(config)
    if not _networks(whole) and (own or config.sizes):
        raise ValueError(
            f"optimizer: {config.optimizer} has no biases for each size; leave trains and "
            "sizes at their defaults."
        )

    def sized(network: Learned) -> Learned:
        has = () if network.size_biases is None else network.size_biases.atoms
        sizes = config.sizes or tuple(own)
        if missing := sorted(own.union(has) - set(sizes)):
            raise ValueError(
                f"sizes: {list(sizes)} given, but there are, or are to be trained, biases "
                f"for {missing}; name these in sizes as well."
            )
        if not sizes:
            return network
        frozen = config.trains == "size-biases"
        return network.with_size_biases(sizes, trained=tuple(own), frozen=frozen)

    return _with_networks(sized, whole)


def _own_sizes(config: TrainingConfig) -> set[int]:
    """Return the numbers of atoms whose biases are trained."""
    trained = config.problems() if config.trains != "network" else ()
    return {task.n for task in trained}


def _schedule(config: TrainingConfig, first: float, last: float | None) -> Any:
    # A plain number is an array leaf: another one does not compile again.
    return first if last is None else cosine(first, last, config.updates)
