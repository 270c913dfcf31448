"""optax in both directions: its transformations move atoms, ours are transformations.

rollout(Optax(optax.adamw(0.01)), potential, start, 1000, key=key)
transformation = learned(weights.load("lj38"), potential, horizon=250)
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from .._leaves import cast
from ..optimizers import AbstractOptimizer, Learned, State, untrained
from ..potentials import AbstractPotential, Observation


class Optax(AbstractOptimizer[PyTree]):
    r"""Any optax transformation as an optimizer of atoms.

    \[ x' = x + \ell\, u(\ell g / \epsilon), \]

    in natural lengths \(\ell\) and energies \(\epsilon\), so that one learning rate serves
    all materials. Value and gradient are handed on to transformations that ask for them.
    Line searches that evaluate energies on their own are refused: nothing is free here.

    Arguments:
        transformation: of optax; static, hyper-parameters included. Sweep those with
            `optax.inject_hyperparams`, which keeps them in the state.

    Raises:
        ValueError: when it runs, if the transformation wants to evaluate energies.
    """

    transformation: optax.GradientTransformation = eqx.field(static=True)

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> PyTree:
        unit = cast(potential.scale, observation.positions.dtype)
        return self.transformation.init(observation.positions / unit.length)

    def move(
        self, potential: AbstractPotential, state: State[PyTree], *, key: PRNGKeyArray
    ) -> tuple[Float[Array, "n d"], PyTree]:
        seen = state.observation
        unit = cast(potential.scale, seen.positions.dtype)
        gradient = seen.gradient * (unit.length / unit.energy)
        value, params = seen.energy / unit.energy, seen.positions / unit.length
        update = optax.with_extra_args_support(self.transformation).update
        try:
            # optax mixes numbers of different type freely.
            with jax.numpy_dtype_promotion("standard"):
                updates, memory = update(
                    gradient, state.memory, params, value=value, grad=gradient
                )
        except TypeError as error:
            if "value_fn" not in str(error):
                raise
            raise ValueError(
                "transformation: evaluates energies on its own, in a line search, and they "
                "would not be counted; take one without value_fn, or l2h's LBFGS."
            ) from error
        dtype, moved = seen.positions.dtype, jnp.asarray(updates)
        memory = jax.tree.map(lambda new, old: new.astype(old.dtype), memory, state.memory)
        return seen.positions + unit.length * moved.astype(dtype), memory

    def trainable(self) -> PyTree:
        return untrained(self)


class LearnedState(NamedTuple):
    """Where a learned transformation stands."""

    begun: Bool[Array, ""]
    search: State[Any]


def learned(
    optimizer: Learned, potential: AbstractPotential, *, horizon: int
) -> optax.GradientTransformationExtraArgs:
    """Return a learned optimizer as an optax transformation.

    Parameters are positions `"n d"` and gradients are energies per length, in the units of
    the potential. `update(gradient, state, positions, value=energy)` also takes
    `atomic_energies` and, where they are unknown, shares the energy out equally.

    Arguments:
        optimizer: with its weights.
        potential: gives space and natural units; it is not evaluated.
        horizon: number of updates that are to come.

    Raises:
        ValueError: if `horizon` is not positive; on update, if positions or value are
            missing.
    """
    if horizon < 1:
        raise ValueError(f"horizon: {horizon} given; at least 1 update is needed.")
    steps, key = jnp.asarray(horizon, jnp.int32), jax.random.key(0)

    def first(seen: Observation) -> State[Any]:
        memory = optimizer.begin(potential, seen, horizon=steps, key=key)
        return State.first(seen, steps, memory)

    def init(params: Any) -> Any:
        # Nothing is known of the energy yet; the first update begins the search.
        nothing = jnp.zeros_like(params)
        seen = Observation(params, jnp.sum(nothing), nothing, jnp.sum(nothing, axis=1))
        return LearnedState(jnp.asarray(False), first(seen))

    def update(
        updates: Any,
        state: Any,
        params: Any = None,
        *,
        value: Any = None,
        atomic_energies: Any = None,
        **extra: Any,
    ) -> tuple[Any, Any]:
        if params is None or value is None:
            raise ValueError(
                "params, value: missing; call update(gradient, state, positions, "
                "value=energy)."
            )
        energy = jnp.asarray(value, params.dtype)
        if atomic_energies is None:
            n = params.shape[0]
            atomic_energies = jnp.broadcast_to(energy / n, (n,))
        seen = Observation(params, energy, updates, atomic_energies)
        later = state.search.after(seen, state.search.memory)
        search = jax.tree.map(lambda a, b: jnp.where(state.begun, a, b), later, first(seen))
        # Memory is that of the last move: what was not moved yet begins anew.
        x, memory = optimizer.move(potential, search, key=key)
        search = eqx.tree_at(lambda s: s.memory, search, memory)
        return x - params, LearnedState(jnp.asarray(True), search)

    return optax.GradientTransformationExtraArgs(init, update)
