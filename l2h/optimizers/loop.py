"""The one loop: an optimizer on a potential, step by step, under a watch."""

from abc import abstractmethod
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._leaves import cast, compiled, require_instance, traced
from ..potentials import AbstractPotential, Observation
from .base import AbstractOptimizer, State

Notes = TypeVar("Notes")


class Status(eqx.Enumeration):
    """How a run stands. `Status[status]` is the sentence, `status == Status.converged`
    the test; both also serve whole batches."""

    unfinished = "under way"
    spent = "all granted steps are made"
    converged = "the gradient is below the tolerance"
    stalled = "gave up: neither the energy nor the gradient falls any further"
    invalid = "the energy or the gradient is not finite"
    outdated = "the next step would leave the list of neighbours"


class AbstractWatch(eqx.Module, Generic[Notes]):
    """Takes notes along a run, and may end it."""

    @abstractmethod
    def begin(self, potential: AbstractPotential, state: State) -> Notes:
        """Return the notes on the state from which the run goes on."""

    @abstractmethod
    def note(self, potential: AbstractPotential, state: State, notes: Notes) -> Notes:
        """Return the notes after one more step, which led to `state`."""

    @abstractmethod
    def status(self, notes: Notes) -> Status | None:
        """Return whether the run goes on: `Status.unfinished`, or why it is over.

        None, for all notes alike, says that this watch never ends a run. Members of a
        batch then step together, and none has to be kept from moving.
        """


def run(
    optimizer: AbstractOptimizer,
    potential: AbstractPotential,
    state: State,
    steps: Int[Array, ""] | int,
    watch: AbstractWatch[Notes] | None = None,
    notes: Notes | None = None,
    *,
    key: PRNGKeyArray,
) -> tuple[State, Notes]:
    """Take `steps` further steps, or fewer if the watch ends the run.

    The key of a step is `fold_in(key, evaluations before it)`: running by a and then by b
    equals running by a + b, with the same `key`. Compiled where it is called with known
    values, and only once for all numbers of steps.

    Arguments:
        optimizer: any optimizer.
        potential: the energy surface.
        state: where to go on.
        steps: how many steps at most; may be traced.
        watch: takes notes, and may end the run.
        notes: those to go on with; new ones by default.
        key: the run's key.

    Returns:
        The last state, and the notes of the watch (None without one).
    """
    require_instance(optimizer=(optimizer, AbstractOptimizer))
    require_instance(potential=(potential, AbstractPotential))
    require_instance(state=(state, State))
    steps = counted(steps, (optimizer, potential, state, key))
    return _run(optimizer, potential, state, steps, watch, notes, key)


def advance(
    optimizer: AbstractOptimizer,
    potential: AbstractPotential,
    state: State,
    steps: Int[Array, ""] | int,
    *,
    key: PRNGKeyArray,
) -> State:
    """Take `steps` further steps; see `run`.

    Arguments:
        optimizer: any optimizer.
        potential: the energy surface.
        state: where to go on.
        steps: how many steps; may be traced.
        key: the run's key.
    """
    return run(optimizer, potential, state, steps, key=key)[0]


def counted(steps: Int[Array, ""] | int, others: Any) -> Int[Array, ""] | int:
    """Return a number of steps that spares compilations, one for each number.

    Among traced values it stays what it is: a known number makes a loop that reverse-mode
    differentiation accepts.
    """
    if isinstance(steps, int) and not traced(others):
        return jnp.asarray(steps, jnp.int32)
    return steps


@compiled
def _run(
    optimizer: AbstractOptimizer,
    potential: AbstractPotential,
    state: State,
    steps: Int[Array, ""] | int,
    watch: AbstractWatch | None,
    notes: Any,
    key: PRNGKeyArray,
) -> tuple[State, Any]:
    if watch is not None and notes is None:
        notes = watch.begin(potential, state)

    def step(_: Any, carry: tuple[State, Any]) -> tuple[State, Any]:
        state, notes = carry
        step_key = jax.random.fold_in(key, state.evaluations)
        state = optimizer.step(potential, state, key=step_key)
        return state, None if watch is None else watch.note(potential, state, notes)

    if watch is None or watch.status(notes) is None:
        return jax.lax.fori_loop(0, steps, step, (state, notes))

    def unfinished(carry: tuple[Int[Array, ""], tuple[State, Any]]) -> Bool[Array, ""]:
        count, (_, notes) = carry
        return (count < steps) & (watch.status(notes) == Status.unfinished)

    def body(
        carry: tuple[Int[Array, ""], tuple[State, Any]],
    ) -> tuple[Int[Array, ""], tuple[State, Any]]:
        count, both = carry
        return count + 1, step(count, both)

    count = jnp.zeros_like(jnp.asarray(steps))
    return jax.lax.while_loop(unfinished, body, (count, (state, notes)))[1]


def gradient_rms(
    potential: AbstractPotential, observation: Observation
) -> Float[Array, ""]:
    """Return the root mean square of the gradient's components, in natural units, over
    the atoms that are present.

    Arguments:
        potential: gives the natural energy and length.
        observation: one evaluation of it.
    """
    gradient = observation.gradient
    unit = cast(potential.scale, gradient.dtype)
    n, d = gradient.shape
    components = d * jnp.asarray(potential.space.atoms(n), gradient.dtype)
    natural = gradient * (unit.length / unit.energy)
    return jnp.sqrt(jnp.sum(natural**2) / components)


class Progress(eqx.Module):
    """The lowest values so far, and when one of them last fell."""

    status: Status
    gradient: Float[Array, ""]
    energy: Float[Array, ""]
    fell: Int[Array, ""]


class UntilConverged(AbstractWatch[Progress]):
    """Ends a run when the gradient vanishes, or nothing is gained any more.

    Arguments:
        tolerance: root mean square of the gradient per coordinate, in natural energies per
            natural length.
        patience: evaluations without a lower energy or gradient after which it gives up:
            rounding then hides what is left.
    """

    tolerance: Float[Array, ""]
    patience: Int[Array, ""]

    def begin(self, potential: AbstractPotential, state: State) -> Progress:
        none = jnp.asarray(jnp.inf, state.best_energy.dtype)
        start = Progress(Status.unfinished, none, none, state.evaluations)
        return self.note(potential, state, start)

    def note(self, potential: AbstractPotential, state: State, notes: Progress) -> Progress:
        gradient = gradient_rms(potential, state.observation)
        lower = (gradient < notes.gradient) | (state.best_energy < notes.energy)
        fell = jnp.where(lower, state.evaluations, notes.fell)
        stalled = state.evaluations - fell >= self.patience
        status = Status.where(stalled, Status.stalled, Status.unfinished)
        # An invalid start cannot be rescued; later trials that are not finite can.
        lost = ~jnp.isfinite(state.best_energy)
        status = Status.where(lost, Status.invalid, status)
        converged = gradient < self.tolerance.astype(gradient.dtype)
        return Progress(
            status=Status.where(converged, Status.converged, status),
            gradient=jnp.fmin(gradient, notes.gradient),
            energy=state.best_energy,
            fell=fell,
        )

    def status(self, notes: Progress) -> Status:
        return notes.status
