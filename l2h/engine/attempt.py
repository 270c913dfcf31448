"""One attempt: start, walk, probation, quench, repair; the pure parts of a search."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from .._leaves import cast
from .._platform import in_turn
from .._rollout import advance, rollout
from ..inits import AbstractInit, Spent, Start, begin_at
from ..lattice import rearrange, suits
from ..optimizers import (
    LBFGS,
    AbstractOptimizer,
    AbstractWatch,
    Invariant,
    Quench,
    State,
    Status,
    gradient_rms,
    quench,
    run,
)
from ..optimizers.seldom import seldom
from ..potentials import AbstractPotential, Observation
from ..symmetry import Invariance
from .abandonment import Abandonment

# A structure counts as better if its energy is lower by this, in natural energies.
BETTER = 1e-3
REPAIRS = 10
# Most evaluations of one quench, and its root mean square gradient in natural units: of
# the first, and of those after a repair.
LIMIT = 400
TOLERANCES = 0.1, 0.05


class Walked(eqx.Module):
    """A start, and where a walk has led from it."""

    start: Float[Array, "n d"]
    positions: Float[Array, "n d"]
    """The lowest of the walk; the start without one."""
    spent: Spent
    invariance: Invariance | None = None
    """The symmetry that the walk has kept; None without one."""


class Begun(eqx.Module):
    """An attempt at the end of its probation."""

    start: Float[Array, "n d"]
    """Where it began."""
    state: State
    """Of the quench."""
    expected: Float[Array, ""]
    """Energy where it is expected to end."""
    spent: Spent
    """So far, on start and walk, too."""
    invariance: Invariance | None = None
    """The symmetry that the walk has kept; None without one."""


class Ended(eqx.Module):
    """An attempt that was finished, or given up on the way."""

    positions: Float[Array, "n d"]
    energy: Float[Array, ""]
    finished: Bool[Array, ""]
    """Whether the quench came to its end."""
    spent: Spent
    """Since its probation."""
    repairs: Int[Array, ""]
    """Exchanges with vacancies that lowered the energy."""


def within(
    invariance: Invariance | None, walk: AbstractOptimizer[Any]
) -> AbstractOptimizer[Any]:
    """Return a walk that does not leave the symmetry of its start; the quench may."""
    return walk if invariance is None else Invariant(walk, invariance)


@eqx.filter_jit
def start(
    init: AbstractInit | None,
    walk: tuple[AbstractOptimizer, int] | None,
    potential: AbstractPotential,
    n: int,
    dtype: Any,
    keys: Key[Array, " b"],
    known: Float[Array, "b n d"] | None = None,
    rows: int | None = None,
) -> Walked:
    """Make starts, and walk from them.

    Arguments:
        init: where to start; None for what is known.
        walk: an optimizer and its steps, of which the best structure is returned.
        potential, n, dtype: the energy surface, number of atoms, precision.
        keys: one an attempt.
        known: structures to start from without a distribution.
        rows: length of the result, in which more atoms have room.
    """

    def begin(values: Any) -> tuple[Start, PRNGKeyArray]:
        key, known = values
        for_start, for_walk = jax.random.split(key)
        if init is None:
            begun = Start(known, Spent.nothing())
        else:
            begun = begin_at(init, for_start, potential, n, dtype)
        if walk is None:
            # Nobody asks for the symmetry.
            begun = Start(begun.positions, begun.spent)
        return begun, for_walk

    def go(begun: Start, key: PRNGKeyArray) -> Walked:
        positions, spent = begun.positions, begun.spent
        if walk is not None:
            optimizer, steps = walk
            optimizer = within(begun.invariance, optimizer)
            walked = rollout(optimizer, potential, positions, steps, key=key)
            positions = walked.best_positions
            spent += Spent(walked.state.evaluations, jnp.asarray(0, jnp.int32))
        absent = ((0, 0 if rows is None else rows - n), (0, 0))
        first, last = jnp.pad(begun.positions, absent), jnp.pad(positions, absent)
        return Walked(first, last, spent, begun.invariance)

    # Starts take loops of very different lengths, which none should wait for.
    return jax.vmap(go)(*in_turn(begin, (keys, known)))


@eqx.filter_jit
def probation(rule: Abandonment, potential: AbstractPotential, starts: Walked) -> Begun:
    """Take the first steps of quenches, those before which nobody is judged.

    Arguments:
        rule: says how many.
        potential: the energy surface.
        starts: one entry each.
    """

    def one(walked: Walked) -> Begun:
        optimizer, key = LBFGS.coarse(), jax.random.key(0)
        state = optimizer.init(potential, walked.positions, horizon=LIMIT, key=key)
        state = advance(optimizer, potential, state, rule.after, key=key)
        spent = walked.spent + Spent(state.evaluations, jnp.asarray(0, jnp.int32))
        return Begun(walked.start, state, rule.expected(potential, state), spent)

    return jax.vmap(one)(starts)


class Descent(AbstractWatch[Status]):
    """Ends a quench when the gradient vanishes, the energy is not finite, or the attempt is
    hopeless."""

    rule: Abandonment
    best: Float[Array, ""]
    """Lowest energy known."""
    tolerance: Float[Array, ""]
    judged: Bool[Array, ""]
    """Whether the attempt may be given up."""

    def begin(self, potential: AbstractPotential, state: State) -> Status:
        n = potential.space.atoms(len(state.observation.positions))
        expected = self.rule.expected(potential, state)
        hopeless = self.rule.hopeless(potential, n, expected, self.best)
        lost = self.judged & (state.steps >= self.rule.after) & hopeless
        status = Status.where(lost, Status.stalled, Status.unfinished)
        status = Status.where(state.valid, status, Status.invalid)
        still = gradient_rms(potential, state.observation) < self.tolerance
        return Status.where(still, Status.converged, status)

    def note(self, potential: AbstractPotential, state: State, notes: Status) -> Status:
        return self.begin(potential, state)

    def status(self, notes: Status) -> Status:
        return notes


@eqx.filter_jit
def finish(
    rule: Abandonment,
    potential: AbstractPotential,
    begun: Begun,
    best: Float[Array, ""],
    tolerances: tuple[float, float] = TOLERANCES,
) -> Ended:
    """Quench attempts to the end, and repair them while that lowers their energy.

    Arguments:
        rule: by which attempts are given up on the way, too.
        potential: the energy surface.
        begun: attempts, one entry each.
        best: lowest energy known; infinite if none is.
        tolerances: root mean square gradient, in natural units, of the first quench and of
            those after a repair.
    """

    # One loop over descents, the first among them: what is written once is compiled once.
    def one(begun: Begun) -> Ended:
        seen, zero = begun.state.observation, jnp.asarray(0, jnp.int32)
        nothing = Ended(
            seen.positions, seen.energy, jnp.asarray(False), Spent.nothing(), zero
        )
        start = begun.state, nothing, jnp.asarray(True)
        return jax.lax.while_loop(lambda carry: carry[2], descent, start)[1]

    def descent(carry: tuple[State, Ended, Bool[Array, ""]]) -> tuple[State, Ended, Any]:
        before, ended, _ = carry
        first, dtype = ~ended.finished, ended.positions.dtype
        unit = cast(potential.scale, dtype)
        tolerance = jnp.where(first, *(jnp.asarray(t, dtype) for t in tolerances))

        watch, key = Descent(rule, best, tolerance, first), jax.random.key(0)
        left = LIMIT - before.evaluations
        state, status = run(LBFGS.coarse(), potential, before, left, watch, key=key)
        seen = state.observation
        energy = jnp.where(first | state.valid, seen.energy, jnp.inf).astype(dtype)
        converged = status == Status.converged
        lower = energy < ended.energy - BETTER * unit.energy
        better = jnp.where(first, converged, lower)
        kept = first | better
        # What probation has evaluated is counted there; other descents begin here.
        counted = jnp.where(first, before.evaluations, 0)
        ended = Ended(
            jnp.where(kept, seen.positions, ended.positions),
            jnp.where(kept, energy, ended.energy),
            ended.finished | better,
            ended.spent + Spent(state.evaluations - counted, jnp.zeros_like(counted)),
            ended.repairs + (better & ~first).astype(jnp.int32),
        )
        if not suits(potential):
            return state, ended, jnp.zeros_like(better)
        nothing = seen.positions, jnp.zeros_like(counted), jnp.zeros_like(better)
        repairing = better & (ended.repairs < REPAIRS)
        changed, probes, going = seldom(
            repairing, _exchanged, nothing, potential, ended.positions
        )
        spent = ended.spent + Spent(0, probes)
        ended = eqx.tree_at(lambda ended: ended.spent, ended, spent)
        # Where nothing was exchanged, there is nothing to evaluate.
        seen = seldom(going, _seen, seen, potential, changed)
        optimizer, key = LBFGS.coarse(), jax.random.key(0)
        state = optimizer.init_seen(potential, seen, horizon=LIMIT, key=key)
        return state, ended, going

    return jax.vmap(one)(begun)


def _seen(potential: AbstractPotential, positions: Float[Array, "n d"]) -> Observation:
    """Evaluate a structure, centred."""
    return potential.observe(potential.space.centre(positions))


def _exchanged(
    potential: AbstractPotential, positions: Float[Array, "n d"]
) -> tuple[Float[Array, "n d"], Int[Array, ""], Bool[Array, ""]]:
    """Exchange atoms and vacancies; return positions, the probes made, and whether energy
    was gained."""
    changed = rearrange(potential, positions)
    return changed.positions, changed.probes, changed.gain > 0


@eqx.filter_jit
def polish(
    potential: AbstractPotential,
    positions: Float[Array, "b n d"],
    tolerance: Float[Array, ""],
) -> Quench:
    """Relax structures in the precision of their positions."""
    return jax.vmap(partial(quench, potential, tolerance=tolerance))(positions)
