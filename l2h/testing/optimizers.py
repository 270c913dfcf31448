"""The contract of optimizers, and of what learned ones read."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._rollout import advance, rollout
from ..io import load, save
from ..meta.params import COORDINATES
from ..optimizers import AbstractOptimizer, Learned
from ..optimizers.learned import AbstractFeatures, Network
from ..optimizers.learned.head import Head
from ..potentials import AbstractPotential, FunctionPotential, LennardJones
from .base import (
    KEY_SEED,
    plain,
    require,
    require_close,
    require_equal,
    run_all,
    structure,
    tolerance,
)

go = eqx.filter_jit(rollout)
go_on = eqx.filter_jit(advance)
step = eqx.filter_jit(lambda o, potential, state, key: o.step(potential, state, key=key))
initial = eqx.filter_jit(
    lambda o, potential, x, horizon, key: o.init(potential, x, horizon=horizon, key=key)
)

Check = Callable[[AbstractOptimizer[Any], AbstractPotential], None]


def check_optimizer(
    optimizer: AbstractOptimizer[Any],
    potential: AbstractPotential | None = None,
    *,
    rotates: bool = True,
) -> None:
    """Raise unless an optimizer keeps its contract.

    One step is one evaluation; the best structure is the best; no state that is not finite
    becomes it; the compiled program, batches and pieces of a run give what single steps do;
    precision follows the positions; a start that is moved gives the moved run; what is
    declared trainable exists; numbers are array leaves; files bring it back.

    Arguments:
        optimizer: the one in question.
        potential: on which it is tried; Lennard-Jones by default.
        rotates: whether a rotated start is to give the rotated run; optimizers that act on
            single coordinates, as Adam does, cannot promise it.

    Raises:
        AssertionError: naming the promise.
    """
    potential = LennardJones() if potential is None else potential
    run_all(OPTIMIZER_CHECKS, optimizer, potential)
    if rotates and potential.space.invariant and not hasattr(potential.space, "cell"):
        rotated_starts_give_rotated_runs(optimizer, potential)


def check_features(features: AbstractFeatures[Any], *, rotates: bool = True) -> None:
    """Raise unless a feature set fits a learned optimizer that keeps its contract.

    The number of inputs and of directions are as declared, and a network with random
    weights that reads them is an optimizer as `check_optimizer` asks.

    Arguments:
        features: the one in question.
        rotates: whether a rotated start is to give the rotated run.

    Raises:
        AssertionError: naming the promise.
    """
    potential = LennardJones()
    key = jax.random.key(KEY_SEED)
    sizes = (features.inputs, 8, features.directions + 1)
    network = Network(sizes, key=key)
    last = network.weights[-1]
    drawn = 0.3 * jax.random.normal(key, last.shape, last.dtype)
    network = eqx.tree_at(lambda net: net.weights[-1], network, drawn)
    x = structure(potential, 5)
    blank = Learned(features, network, Head())
    reading, _ = features.read(potential, _begin(blank, potential, x))
    require(
        reading.count == features.inputs,
        f"features: {features.inputs} inputs are declared, {reading.count} read",
    )
    require(
        reading.basis.shape[1] == features.directions,
        f"features: {features.directions} directions are declared, "
        f"{reading.basis.shape[1]} given",
    )
    check_optimizer(blank, potential, rotates=rotates)


def one_step_is_one_evaluation(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """What a state counts is what was evaluated."""
    seen: list[int] = []

    def counting(x: Any) -> Any:
        jax.debug.callback(lambda _: seen.append(1), x[0, 0])
        return potential(x)

    counted = _like(potential, counting)
    state = go(optimizer, counted, structure(potential, 5), 9, key=_key()).state
    jax.effects_barrier()
    require(
        int(state.evaluations) == len(seen) == 10,
        f"9 steps and the start are 10 evaluations: {int(state.evaluations)} are counted, "
        f"{len(seen)} were made",
    )


def the_best_is_the_best(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """The lowest energy on the way is kept, with its positions."""
    state = _begin(optimizer, potential, structure(potential, 5, seed=3))
    energies = [float(state.observation.energy)]
    for _ in range(20):
        state = step(optimizer, potential, state, _key())
        energies.append(float(state.observation.energy))
        require(float(state.best_energy) == min(energies), "the lowest energy is kept")
    at_best = potential.observe(state.best_positions).energy
    close = tolerance(at_best.dtype, 1000)
    require_close(at_best, state.best_energy, "it is that of the positions kept", close)


def broken_states_never_become_the_best(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """Energies that are not finite are never the lowest."""
    x = structure(potential, 5)
    away = jnp.asarray(jnp.inf, x.dtype)

    def cliff(y: Any) -> Any:
        # Lowest where it is not finite: minus infinity as soon as an atom has moved.
        moved = jnp.any(jnp.abs(y - potential.space.centre(x)) > 1e-12)
        return jnp.where(moved, -away, potential(y))

    broken = _like(potential, cliff)
    state = go(optimizer, broken, x, 3, key=_key()).state
    require(jnp.isfinite(state.best_energy), "minus infinity is never the lowest energy")
    require(jnp.all(jnp.isfinite(state.best_positions)), "the best positions are finite")


def pieces_are_the_whole(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """Going on gives the same bits as one long run."""
    state = _begin(optimizer, potential, structure(potential, 5))
    whole = go_on(optimizer, potential, state, jnp.asarray(7), key=_key())
    pieces = go_on(optimizer, potential, state, jnp.asarray(3), key=_key())
    pieces = go_on(optimizer, potential, pieces, jnp.asarray(4), key=_key())
    require_equal(whole, pieces, "3 steps and 4 more are 7 steps")


def compiled_runs_are_single_steps(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """The compiled loop gives what steps outside of `jax.jit` do."""
    x = structure(potential, 5)
    state = optimizer.init(potential, x, horizon=2, key=jax.random.fold_in(_key(), 0))
    for _ in range(2):
        key = jax.random.fold_in(_key(), state.evaluations)
        state = optimizer.step(potential, state, key=key)
    compiled = go(optimizer, potential, x, jnp.asarray(2), key=_key()).state
    close = tolerance(x.dtype, 1e4)
    require_close(compiled, state, "the compiled program does what is written", close)


def batches_are_single_runs(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """`jax.vmap` over starts gives what one after the other does."""
    x = jnp.stack([structure(potential, 5, seed=seed) for seed in range(2)])

    def run(y: Any) -> Any:
        return rollout(optimizer, potential, y, 4, key=_key()).state

    together = eqx.filter_jit(jax.vmap(run))(x)
    for i in range(2):
        alone = go(optimizer, potential, x[i], jnp.asarray(4), key=_key()).state
        one = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        require_close(
            one, alone, "a batch is what its members are", tolerance(x.dtype, 1e5)
        )


def precision_is_kept(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """A state keeps the precision of the positions, step by step."""
    for dtype in {jnp.dtype("float32"), jnp.asarray(0.0).dtype}:
        first = _begin(optimizer, potential, structure(potential, 5, dtype=dtype))
        last = go_on(optimizer, potential, first, jnp.asarray(2), key=_key())
        for before, after in zip(plain(first), plain(last), strict=True):
            kept = before.dtype == after.dtype and before.shape == after.shape
            require(kept, f"a state keeps its kinds: {before.dtype} became {after.dtype}")
            if before.dtype.kind == "f":
                require(before.dtype == dtype, f"in {dtype}, {before.dtype} is remembered")


def moved_starts_give_moved_runs(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """Shifts and exchanges of atoms change nothing but themselves."""
    if not potential.space.invariant or any(8 in x.shape for x in plain(potential)):
        return
    order = jnp.roll(jnp.arange(8), 1)
    for promise, change in (
        ("a shifted start gives the same run", lambda y: y + jnp.asarray(0.4, y.dtype)),
        ("exchanged atoms go the same ways", lambda y: y[order]),
    ):
        back = order if "exchanged" in promise else jnp.arange(8)
        _require_moved(optimizer, potential, change, lambda y, o=back: y[o], promise)


def rotated_starts_give_rotated_runs(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """Rotations and reflections turn the run."""
    d = potential.space.dimension
    turn, _ = jnp.linalg.qr(jax.random.normal(jax.random.key(1), (d, d)))
    for q in (turn, -turn):
        rotate = lambda y, q=q: y @ q.T.astype(y.dtype)  # noqa: E731
        _require_moved(
            optimizer, potential, rotate, rotate, "a rotated start turns the run"
        )


def what_is_trainable_exists(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """`trainable` has the structure of the optimizer and known coordinates."""
    try:
        kinds = jax.tree.structure(optimizer).flatten_up_to(optimizer.trainable())
    except ValueError as error:
        raise AssertionError(
            f"trainable: not a tree like the optimizer ({error})"
        ) from error
    unknown = {kind for kind in kinds if kind is not None} - set(COORDINATES)
    require(not unknown, f"trainable: {unknown} are none of {set(COORDINATES)}")


def numbers_are_leaves(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """What one might sweep is an array, so that another value does not compile again."""
    for leaf in jax.tree.leaves(optimizer):
        require(
            not isinstance(leaf, (bool, int, float, complex)),
            f"numbers are array leaves: {leaf!r} is not; give its field "
            "`eqx.field(converter=jnp.asarray)`, or make it static",
        )


def files_bring_it_back(
    optimizer: AbstractOptimizer[Any], potential: AbstractPotential
) -> None:
    """A file holds all of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimizer.l2h"
        save(path, optimizer)
        blank = jax.tree.map(lambda x: x * 0 if eqx.is_array(x) else x, optimizer)
        require_equal(load(path, blank)[0], optimizer, "a file brings it back")


OPTIMIZER_CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        one_step_is_one_evaluation,
        the_best_is_the_best,
        broken_states_never_become_the_best,
        pieces_are_the_whole,
        compiled_runs_are_single_steps,
        batches_are_single_runs,
        precision_is_kept,
        moved_starts_give_moved_runs,
        what_is_trainable_exists,
        numbers_are_leaves,
        files_bring_it_back,
    )
}


def _key() -> Any:
    return jax.random.key(KEY_SEED)


def _like(potential: AbstractPotential, function: Callable[[Any], Any]) -> Any:
    """Return a function as a potential in the same space and units."""
    unit = potential.scale
    # Equinox orders abstract fields first, for type checkers only.
    fields: Any = {"space": potential.space, "function": function}
    return FunctionPotential(length=unit.length, energy=unit.energy, **fields)


def _begin(optimizer: Any, potential: AbstractPotential, x: Any) -> Any:
    return initial(optimizer, potential, x, jnp.asarray(20), _key())


def _require_moved(
    optimizer: Any,
    potential: AbstractPotential,
    change: Callable[[Any], Any],
    expected: Callable[[Any], Any],
    promise: str,
) -> None:
    x = structure(potential, 8, seed=5)
    states = [_begin(optimizer, potential, y) for y in (x, change(x))]
    here, there = (
        go_on(optimizer, potential, state, jnp.asarray(8), key=_key()) for state in states
    )
    close = tolerance(x.dtype, 1e6)
    require_close(there.observation.energy, here.observation.energy, promise, close)
    found, wanted = (s.observation.positions for s in (there, here))
    require_close(found, expected(wanted), promise, close)
