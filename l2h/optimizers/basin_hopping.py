"""Basin hopping, one evaluation a step."""

from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from .._leaves import (
    as_array,
    cast,
    concrete,
    require_fraction,
    require_positive,
    trained,
)
from ..potentials import AbstractPotential, Observation
from .adam import Adam
from .base import AbstractOptimizer, State
from .hops import AbstractHop, Proposal, Repair, Shake, Swaps
from .lbfgs import LBFGS
from .loop import gradient_rms
from .relay import Relay
from .seldom import seldom

Memory = TypeVar("Memory")

# The step length stays within this factor of the hop's own.
LARGEST_STRETCH = 4.0
# A compressed structure is but a start: its quench ends at this many times the tolerance.
SLOPPINESS = 10.0


class BasinHoppingMemory(eqx.Module, Generic[Memory]):
    """The current minimum, the quench under way, and what became of earlier ones."""

    minimum: Observation
    """From which trials start: the last accepted one, of infinite energy before."""
    quench: State[Memory]
    """The inner optimizer's state, as of its last move."""
    fresh: Bool[Array, ""]
    """Whether the next observation is the first of a quench."""
    compressed: Bool[Array, ""]
    """Whether the quench under way feels the compression."""
    stretch: Float[Array, ""]
    """Adapted factor on the hop's step length."""
    stretched: Bool[Array, ""]
    """Whether the trial under way is as long as that says: not an exchange of atoms."""
    quenches: Int[Array, ""]
    """Quenches that have ended, the start's included."""
    accepted: Int[Array, ""]
    """Those whose minimum was accepted, the start's included."""
    failed: Int[Array, ""]
    """Those that were given up since an observation was not finite."""


class BasinHopping(AbstractOptimizer[BasinHoppingMemory]):
    r"""Metropolis walk between minima, each found by another optimizer.

    A hop displaces the current minimum, the inner optimizer relaxes what results, and the
    new minimum is accepted with probability

    \[ \min(1, e^{-\Delta E / T}). \]

    A quench ends when the gradient falls below `tolerance` or after `limit` steps. It is
    given up, and its hop rejected, at the first observation that is not finite. There is
    no loop inside: the first evaluation of a trial is the first of its quench, one step is
    one evaluation, and walkers under `jax.vmap` never wait for one another.

    With `compression`, each quench has two phases: first on

    \[ E + \mu \sum_i |x_i - \bar x|^2, \]

    whose minima are round, then on E. Where a centroid has no meaning, the first phase is
    as the second. With `target`, the step length is adapted after each hop until that
    fraction of hops is accepted; exchanges of atoms have no length and no say.

    Arguments:
        inner: optimizer of the quenches.
        hop: where trials start.
        temperature: T, in natural energies; None accepts improvements only.
        tolerance: root mean square of the gradient per coordinate, in natural energies per
            natural length; zero always takes `limit` steps.
        compression: mu, in natural energies per squared natural length, or None.
        target: fraction of hops to be accepted, or None for a fixed step length.
        rate: of the adaptation: a hop changes the logarithm of the step length by `rate`
            times (1 if accepted else 0, minus `target`).
        limit: largest number of steps of one phase of a quench; static.

    Raises:
        ValueError: if an argument is out of range.

    Reference: Wales and Doye 1997, doi:10.1021/jp970984n; two phases: Locatelli and
        Schoen, 2003, in another form.
    """

    inner: AbstractOptimizer[Any]
    hop: AbstractHop
    temperature: Float[Array, ""] | None = eqx.field(converter=as_array, default=0.8)
    tolerance: Float[Array, ""] = eqx.field(converter=as_array, default=1e-2)
    compression: Float[Array, ""] | None = eqx.field(converter=as_array, default=None)
    target: Float[Array, ""] | None = eqx.field(converter=as_array, default=None)
    rate: Float[Array, ""] = eqx.field(converter=as_array, default=0.05)
    limit: int = eqx.field(static=True, default=1000)

    def __check_init__(self) -> None:
        if self.temperature is not None:
            require_positive(temperature=self.temperature)
        if self.compression is not None:
            require_positive(compression=self.compression)
        if self.target is not None:
            require_fraction(target=self.target)
        require_positive(rate=self.rate)
        known = concrete(self.tolerance)
        if known is not None and not known >= 0:
            raise ValueError(f"tolerance: {known} given; it must not be negative.")
        if self.limit < 1:
            raise ValueError(f"limit: {self.limit} given; a quench takes at least 1 step.")

    @staticmethod
    def paper(step: Float[Array, ""] | float = 0.4) -> "BasinHopping":
        """Return the baseline of Learn2Hop (appendix C.2): 5000 steps of Adam a hop.

        Arguments:
            step: standard deviation of a coordinate's displacement in natural lengths,
                of which the paper tries 0.2, 0.4, 0.6 and 0.8.
        """
        return BasinHopping(
            inner=Adam(1e-2),
            hop=Shake(step, kind="normal"),
            temperature=None,
            tolerance=0.0,
            limit=5000,
        )

    @staticmethod
    def plain(step: Float[Array, ""] | float = 0.36) -> "BasinHopping":
        """Return basin hopping as is usual for clusters, after Wales and Doye.

        Arguments:
            step: largest displacement of a coordinate in natural lengths.
        """
        return BasinHopping(inner=LBFGS.coarse(), hop=Shake(step, loose=0.4))

    @staticmethod
    def strong() -> "BasinHopping":
        """Return the strongest simple variant: quenches in two phases, adapted step
        length, exchanges of unlike atoms."""
        return BasinHopping(
            inner=LBFGS.coarse(),
            hop=Swaps(Shake(0.36, loose=0.4)),
            compression=50.0,
            target=0.5,
        )

    @staticmethod
    def learned(
        first: AbstractOptimizer[Any], *, steps: int = 100, settling: int = 200
    ) -> "BasinHopping":
        """Return hopping in legs: a learned optimizer for some steps, then L-BFGS; minima
        are repaired, and shaken where there is nothing to repair.

        Arguments:
            first: of each leg; trained with temperature and step length of the hops.
            steps: granted to it in each leg.
            settling: most steps of the L-BFGS of a leg.
        """
        return BasinHopping(
            inner=Relay(first, LBFGS.coarse(), steps=steps),
            hop=Repair(Shake(0.3, loose=0.4)),
            tolerance=0.05,
            limit=steps + settling,
        )

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> BasinHoppingMemory:
        dtype, zero = observation.positions.dtype, jnp.asarray(0, jnp.int32)
        nowhere = jnp.asarray(jnp.inf, dtype)
        return BasinHoppingMemory(
            minimum=eqx.tree_at(lambda seen: seen.energy, observation, nowhere),
            quench=self._begun(potential, observation, key),
            fresh=jnp.asarray(True),
            compressed=jnp.asarray(self.compression is not None),
            stretch=jnp.ones((), dtype),
            stretched=jnp.asarray(False),
            quenches=zero,
            accepted=zero,
            failed=zero,
        )

    def move(
        self,
        potential: AbstractPotential,
        state: State[BasinHoppingMemory],
        *,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "n d"], BasinHoppingMemory]:
        seen, old = state.observation, state.memory
        p = cast(self, seen.positions.dtype)
        for_start, for_quench, for_hop, for_choice = jax.random.split(key, 4)

        felt = p._felt(potential, seen, old.compressed)
        steps = jnp.where(old.fresh, 0, old.quench.steps + 1)
        tolerance = p.tolerance * jnp.where(old.compressed, SLOPPINESS, 1.0)
        settled = (gradient_rms(potential, felt) < tolerance) | (steps >= self.limit)
        ended = (settled & ~old.compressed) | ~seen.valid
        # What was evaluated last under compression is the first to be seen without.
        felt = p._felt(potential, seen, old.compressed & ~settled)
        begun = self._begun(potential, felt, for_start)
        going = old.quench.after(felt, old.quench.memory)
        quench = _choose(old.fresh | (old.compressed & settled), begun, going)

        accepted = ended & seen.valid & p._accepts(potential, seen, old, for_choice)
        minimum = _choose(accepted, seen, old.minimum)
        # From a start without an energy, anything is accepted.
        judged = ended & old.stretched & jnp.isfinite(old.minimum.energy)
        stretch = jnp.where(judged, p._adapted(old.stretch, accepted), old.stretch)
        onward, inner = self.inner.move(potential, quench, key=for_quench)
        # A hop costs more than a move, and most steps have none.
        trial = seldom(
            ended,
            _hopped,
            Proposal(onward, old.stretched),
            *(self.hop, potential, minimum, stretch, accepted, for_hop),
            singly=self.hop.dear,
        )
        memory = BasinHoppingMemory(
            minimum=minimum,
            quench=eqx.tree_at(lambda q: q.memory, quench, inner),
            fresh=ended,
            compressed=jnp.where(
                ended, self.compression is not None, old.compressed & ~settled
            ),
            stretch=stretch,
            stretched=trial.stretched,
            quenches=old.quenches + ended.astype(jnp.int32),
            accepted=old.accepted + accepted.astype(jnp.int32),
            failed=old.failed + (~seen.valid).astype(jnp.int32),
        )
        return trial.positions, memory

    def trainable(self) -> PyTree:
        """Train hop and inner optimizer; temperature and compression where used."""
        return trained(
            self,
            inner=self.inner.trainable(),
            hop=self.hop.trainable(),
            temperature=None if self.temperature is None else "positive",
            compression=None if self.compression is None else "positive",
        )

    def _felt(
        self, potential: AbstractPotential, seen: Observation, compressed: Bool[Array, ""]
    ) -> Observation:
        """Return the observation with the compression added where it acts."""
        if self.compression is None or not potential.space.invariant:
            return seen
        unit = cast(potential.scale, seen.positions.dtype)
        pull = self.compression * unit.energy / unit.length**2
        pull = jnp.where(compressed, pull, 0)
        offsets = potential.space.offsets(seen.positions)
        shares = pull * jnp.sum(offsets**2, axis=1)
        return Observation(
            positions=seen.positions,
            energy=seen.energy + jnp.sum(shares),
            gradient=seen.gradient + 2 * pull * offsets,
            atomic_energies=seen.atomic_energies + shares,
        )

    def _begun(
        self, potential: AbstractPotential, felt: Observation, key: PRNGKeyArray
    ) -> State:
        """Return the inner optimizer's state at the start of a quench."""
        limit = jnp.asarray(self.limit, jnp.int32)
        memory = self.inner.begin(potential, felt, horizon=limit, key=key)
        return State.first(felt, limit, memory)

    def _accepts(
        self,
        potential: AbstractPotential,
        seen: Observation,
        old: BasinHoppingMemory,
        key: PRNGKeyArray,
    ) -> Bool[Array, ""]:
        climb = seen.energy - old.minimum.energy
        if self.temperature is None:
            return climb < 0
        unit = cast(potential.scale, climb.dtype)
        # An exponential number exceeds x with probability exp(-x).
        heat = self.temperature * jax.random.exponential(key, dtype=climb.dtype)
        return climb < heat * unit.energy

    def _adapted(
        self, stretch: Float[Array, ""], accepted: Bool[Array, ""]
    ) -> Float[Array, ""]:
        if self.target is None:
            return stretch
        surplus = accepted.astype(stretch.dtype) - self.target
        changed = stretch * jnp.exp(self.rate * surplus)
        return jnp.clip(changed, 1 / LARGEST_STRETCH, LARGEST_STRETCH)


def _hopped(
    hop: AbstractHop,
    potential: AbstractPotential,
    minimum: Observation,
    stretch: Float[Array, ""],
    new: Bool[Array, ""],
    key: PRNGKeyArray,
) -> Proposal:
    return hop(potential, minimum, stretch, new, key=key)


def _choose(condition: Bool[Array, ""], yes: Any, no: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
