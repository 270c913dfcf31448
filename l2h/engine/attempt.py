"""One attempt: start, walk, probation, quench, repair; the pure parts of a search."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from .._leaves import as_array, cast, require_positive
from ..inits import AbstractInit, Start, begin_at
from ..lattice import rearrange, suits
from ..optimizers import LBFGS, AbstractOptimizer, Invariant, State
from ..optimizers.quench import gradient_rms
from ..potentials import AbstractPotential
from ..rollout import advance, rollout

# A structure counts as better if its energy is lower by this, in natural energies.
BETTER = 1e-3
REPAIRS = 10


class Arm(eqx.Module):
    """A way to make attempts: where they start, and how atoms move before the quench.

    Arguments:
        name: by which it is reported; static.
        init: distribution of starts; None begins from low minima that the search has found
            already.
        walk: any optimizer, run before the quench; the best structure that it sees is
            quenched. None quenches the start.
        steps: of the walk; static.

    Raises:
        ValueError: if `steps` do not go with `walk`.
    """

    name: str = eqx.field(static=True)
    init: AbstractInit | None
    walk: AbstractOptimizer | None = None
    steps: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        if (self.walk is None) != (self.steps == 0) or self.steps < 0:
            raise ValueError(
                f"steps: {self.steps} given with walk = {type(self.walk).__name__}; give a "
                "positive number of steps with an optimizer, and zero without."
            )


class Abandonment(eqx.Module):
    r"""When an attempt is hopeless: it would end too far above the best known energy.

    \[ E - \frac{|g|^2}{2 k} > E_\mathrm{best} + w\,|E_\mathrm{best}| \]

    A quadratic well of curvature k has its minimum that far below.

    Arguments:
        window: w, a fraction of the best energy.
        curvature: k, natural energies per squared natural length.
        after: steps of the quench before which nobody is judged; static.

    Raises:
        ValueError: if a number is not positive.
    """

    window: Float[Array, ""] = eqx.field(converter=as_array, default=0.02)
    curvature: Float[Array, ""] = eqx.field(converter=as_array, default=60.0)
    after: int = eqx.field(static=True, default=8)

    def __check_init__(self) -> None:
        require_positive(window=self.window, curvature=self.curvature, after=self.after)

    def expected(self, potential: AbstractPotential, state: State) -> Float[Array, ""]:
        """Return the energy where the quench is expected to end."""
        seen = state.observation
        p, unit = cast((self, potential.scale), seen.energy.dtype)
        natural = seen.gradient * (unit.length / unit.energy)
        return seen.energy - unit.energy * jnp.sum(natural**2) / (2 * p.curvature)

    def hopeless(
        self, potential: AbstractPotential, state: State, best: Float[Array, ""]
    ) -> Bool[Array, ""]:
        """Whether to give up, against the best energy known (infinite: never)."""
        margin = self.window.astype(best.dtype) * jnp.abs(best)
        limit = jnp.where(jnp.isfinite(best), best + margin, jnp.inf)
        return ~(self.expected(potential, state) <= limit)


class Begun(eqx.Module):
    """An attempt at the end of its probation."""

    state: State
    """Of the quench."""
    expected: Float[Array, ""]
    """Energy where it is expected to end."""
    evaluations: Int[Array, ""]
    """Spent so far, those of the start and of the walk included."""
    probes: Int[Array, ""]


class Ended(eqx.Module):
    """An attempt that was finished, or given up on the way."""

    positions: Float[Array, "n d"]
    energy: Float[Array, ""]
    finished: Bool[Array, ""]
    """Whether the quench came to its end."""
    evaluations: Int[Array, ""]
    """Spent since its probation."""
    probes: Int[Array, ""]
    repairs: Int[Array, ""]
    """Exchanges with vacancies that lowered the energy."""


@eqx.filter_jit
def begin(
    arm: Arm,
    rule: Abandonment,
    potential: AbstractPotential,
    n: int,
    dtype: Any,
    keys: Key[Array, " b"],
    known: Float[Array, "b n d"] | None = None,
) -> Begun:
    """Make the first part of attempts, up to the end of their probation.

    Arguments:
        arm: how they start and move.
        rule: says how long probation is.
        potential, n, dtype: the energy surface, number of atoms, precision.
        keys: one an attempt.
        known: where they start if the arm has no distribution of its own.
    """

    def one(key: PRNGKeyArray, known: Float[Array, "n d"] | None) -> Begun:
        for_start, for_walk = jax.random.split(key)
        if arm.init is None:
            assert known is not None
            nothing = jnp.asarray(0, jnp.int32)
            start = Start(known, nothing, nothing)
        else:
            start = begin_at(arm.init, for_start, potential, n, dtype)
        positions, spent = start.positions, start.evaluations
        if arm.walk is not None:
            walk = arm.walk
            if start.invariance is not None:
                # Walks do not leave the symmetry of a start; the quench may.
                walk = Invariant(walk, start.invariance)
            walked = rollout(walk, potential, positions, arm.steps, key=for_walk)
            positions = walked.best_positions
            # The last evaluation is the first of the quench: nothing is counted twice.
            spent = spent + walked.state.evaluations
        state = LBFGS.coarse().init(potential, positions, horizon=400, key=for_walk)
        state = advance(LBFGS.coarse(), potential, state, rule.after, key=for_walk)
        expected = rule.expected(potential, state)
        return Begun(state, expected, spent + state.evaluations, start.probes)

    return jax.vmap(one)(keys, known)


def _descend(
    rule: Abandonment,
    potential: AbstractPotential,
    state: State,
    best: Float[Array, ""],
    tolerance: float,
    limit: Int[Array, ""] | int = 400,
) -> State:
    """Quench until the gradient vanishes or the attempt is hopeless."""
    optimizer, key = LBFGS.coarse(), jax.random.key(0)

    def unfinished(state: State) -> Bool[Array, ""]:
        rough = gradient_rms(potential, state.observation) >= tolerance
        early = state.steps < rule.after
        going = early | ~rule.hopeless(potential, state, best)
        return rough & going & state.valid & (state.evaluations < limit)

    def body(state: State) -> State:
        return optimizer.step(potential, state, key=key)

    return jax.lax.while_loop(unfinished, body, state)


@eqx.filter_jit
def finish(
    rule: Abandonment,
    potential: AbstractPotential,
    begun: Begun,
    best: Float[Array, ""],
    tolerances: tuple[float, float] = (0.1, 0.05),
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

    def one(begun: Begun) -> Ended:
        state = _descend(rule, potential, begun.state, best, tolerances[0])
        spent = state.evaluations - begun.state.evaluations
        finished = state.valid & (
            gradient_rms(potential, state.observation) < tolerances[0]
        )
        seen = state.observation
        zero = jnp.asarray(0, jnp.int32)
        ended = Ended(seen.positions, seen.energy, finished, spent, zero, zero)
        return _repair(rule, potential, ended, tolerances[1]) if suits(potential) else ended

    return jax.vmap(one)(begun)


def _repair(
    rule: Abandonment, potential: AbstractPotential, ended: Ended, tolerance: float
) -> Ended:
    """Exchange atoms and vacancies, and quench, while the energy falls."""
    dtype = ended.positions.dtype
    unit = cast(potential.scale, dtype)

    def going(carry: tuple[Ended, Any]) -> Bool[Array, ""]:
        ended, better = carry
        return better & (ended.repairs < REPAIRS)

    def body(carry: tuple[Ended, Any]) -> tuple[Ended, Any]:
        ended, _ = carry
        changed = rearrange(potential, ended.positions)
        gain = changed.gain
        key = jax.random.key(0)
        state = LBFGS.coarse().init(potential, changed.positions, horizon=400, key=key)
        none = jnp.asarray(jnp.inf, dtype)
        # Where nothing was exchanged, there is nothing to quench.
        limit = jnp.where(gain > 0, 400, 0)
        state = _descend(rule, potential, state, none, tolerance, limit)
        seen = state.observation
        better = (
            (gain > 0) & state.valid & (seen.energy < ended.energy - BETTER * unit.energy)
        )
        spent = jnp.where(gain > 0, state.evaluations, 0)
        return (
            Ended(
                jnp.where(better, seen.positions, ended.positions),
                jnp.where(better, seen.energy, ended.energy),
                ended.finished,
                ended.evaluations + spent,
                ended.probes + changed.probes,
                ended.repairs + better.astype(jnp.int32),
            ),
            better,
        )

    return jax.lax.while_loop(going, body, (ended, ended.finished))[0]
