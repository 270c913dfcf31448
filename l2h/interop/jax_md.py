"""Large silicon crystals: neighbour lists from jax-md, refreshed from the host.

potential = listed(StillingerWeber.silicon(cell), positions)
end = relax(LBFGS(), potential, positions, steps=300, key=key)
"""

import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._leaves import require_instance, require_structure
from .._platform import matmul
from .._rollout import Rollout, rollout
from ..optimizers import AbstractOptimizer, AbstractWatch, State, Status, run
from ..potentials import AbstractPotential, Observation, Scale, StillingerWeber, Units
from ..potentials.stillinger_weber import COSINE
from ..spaces import AbstractSpace, Pairs, Periodic
from ..spaces.periodic import heights

# Atoms that had moved by half the skin could meet pairs that no list has; a little less
# leaves room for the rounding of jax-md, which bins atoms in single precision.
MARGIN = 0.98


class ListedStillingerWeber(AbstractPotential):
    """Stillinger-Weber energy over a list of neighbours: linear cost and memory.

    The list holds while no atom has moved further than half the skin from where it was
    built. Beyond that, energies and gradients are not a number: a list out of date is
    never silently wrong. `relax` renews it in time; `listed` builds one.

    Arguments:
        potential: the dense potential, in a periodic space.
        partners: neighbours of each atom, indices `"k n"`; n where there are fewer.
        origin: positions at which the list was built, `"n 3"` (Angstrom).
        skin: how much further than the cutoff the list reaches (Angstrom).
    """

    potential: StillingerWeber
    partners: Int[Array, "k n"]
    origin: Float[Array, "n 3"]
    skin: Float[Array, ""]

    @property
    def space(self) -> AbstractSpace:
        """Where the atoms live; its own `pairs` are dense, of quadratic cost."""
        return self.potential.space

    @property
    def scale(self) -> Scale:
        return self.potential.scale

    @property
    def units(self) -> Units:
        return self.potential.units

    @property
    def separated(self) -> Float[Array, ""] | float | None:
        return self.potential.separated

    def fresh(self, positions: Float[Array, "n 3"]) -> Bool[Array, ""]:
        """Return whether the list holds at these positions: false if any is no number."""
        moved = jnp.sum(jnp.square(positions - self.origin.astype(positions.dtype)), axis=1)
        limit = jnp.square(0.5 * MARGIN * self.skin.astype(positions.dtype))
        return jnp.all(moved <= limit)

    def __call__(self, positions: Float[Array, "n 3"]) -> Float[Array, ""]:
        s, pairs = self._prepare(positions)
        inside, distance, gap = s._within(pairs)
        ratio = s.sigma / distance
        two = s.A * (s.B * ratio**s.p - ratio**s.q) * jnp.exp(s.sigma / gap)
        energy = 0.5 * s.epsilon * jnp.sum(jnp.where(inside, two, 0))

        # Every neighbour of an atom against every other one.
        tail = jnp.where(inside, jnp.exp(s.gamma * s.sigma / gap), 0)[0]
        units = [(c / distance)[0] for c in pairs.differences]
        first, second = np.triu_indices(tail.shape[0], k=1)
        cosine = sum(u[first] * u[second] for u in units)
        angles = tail[first] * tail[second] * jnp.square(cosine - COSINE)
        energy = energy + s.strength * s.epsilon * jnp.sum(angles)
        return jnp.where(self.fresh(positions), energy, jnp.nan)

    def observe(self, positions: Float[Array, "n 3"]) -> Observation:
        s, pairs = self._prepare(positions)

        def energy(
            differences: tuple[Float[Array, "m k n"], ...],
        ) -> tuple[Float[Array, ""], Float[Array, " n"]]:
            shares = _shares(s, differences, pairs.mask)
            return jnp.sum(shares), shares

        slopes, shares = jax.grad(energy, has_aux=True)(pairs.differences)
        # A difference is partner minus atom: what pulls the one pushes the other.
        # Entries of no partner, index n, fall out of range and are dropped.
        gradient = [
            jnp.zeros_like(shares).at[self.partners].add(slope[0], mode="drop")
            - jnp.sum(slope[0], axis=0)
            for slope in slopes
        ]
        lost = jnp.where(self.fresh(positions), 0, jnp.nan).astype(positions.dtype)
        shares = shares + lost
        return Observation(
            positions, jnp.sum(shares), jnp.stack(gradient, axis=-1) + lost, shares
        )

    def _prepare(self, positions: Float[Array, "n 3"]) -> tuple[StillingerWeber, Pairs]:
        """Return the potential in the dtype of positions, and the pairs of the list."""
        s = self.potential.like(positions)
        mask = (self.partners < positions.shape[0])[None]
        there = positions.at[self.partners].get(mode="clip")
        space: Any = s.space
        vectors = _nearest(there - positions[None], space.cell, space.inverse)
        differences = tuple(vectors[None, ..., c] for c in range(3))
        return s, _pairs(differences, mask)


def _pairs(
    differences: tuple[Float[Array, "m k n"], ...], mask: Bool[Array, "m k n"]
) -> Pairs:
    squared = sum(jnp.square(c) for c in differences)
    return Pairs(differences, jnp.where(mask, squared, jnp.inf), mask, None)


def _shares(
    s: StillingerWeber,
    differences: tuple[Float[Array, "m k n"], ...],
    mask: Bool[Array, "m k n"],
) -> Float[Array, " n"]:
    """Return atomic energies, triples by moments (see `StillingerWeber.observe`)."""
    pairs = _pairs(differences, mask)
    inside, distance, gap = s._within(pairs)
    ratio, reach = s.sigma / distance, s.sigma / gap
    two = s.A * (s.B * ratio**s.p - ratio**s.q) * jnp.exp(reach)
    tail = jnp.where(inside, jnp.exp(s.gamma * reach), 0)
    units = [c / distance for c in differences]

    def total(weights: Float[Array, "m k n"]) -> Float[Array, " n"]:
        return jnp.sum(weights, axis=(0, 1))

    angles = (
        sum(
            (1 if b == c else 2) * jnp.square(total(tail * units[b] * units[c]))
            for b in range(3)
            for c in range(b, 3)
        )
        - 2 * COSINE * sum(jnp.square(total(tail * u)) for u in units)
        + COSINE**2 * jnp.square(total(tail))
        - (1 - COSINE) ** 2 * total(jnp.square(tail))
    )
    return 0.5 * s.epsilon * (total(jnp.where(inside, two, 0)) + s.strength * angles)


def _nearest(
    difference: Float[Array, "*p 3"],
    cell: Float[Array, "3 3"],
    inverse: Float[Array, "3 3"],
) -> Float[Array, "*p 3"]:
    """Return the image of each difference that is nearest to the origin."""
    turns = jnp.round(matmul(jax.lax.stop_gradient(difference), inverse))
    return difference - matmul(turns, cell)


def _cutoff(potential: StillingerWeber) -> float:
    return float(potential.a * potential.sigma)


def _height(potential: StillingerWeber) -> float:
    space: Any = potential.space
    return float(np.min(heights(np.asarray(space.cell, float))))


def listed(
    potential: StillingerWeber,
    positions: Float[Array, "n 3"] | Float[np.ndarray, "n 3"],
    skin: float = 0.6,
    capacity: float = 1.25,
) -> ListedStillingerWeber:
    """Return the potential with a list of neighbours that holds around `positions`.

    Not to be called under jit: the number of neighbours decides on shapes.

    Arguments:
        potential: in a periodic space.
        positions: concrete (Angstrom); atoms may have drifted out of the cell.
        skin: how much further than the cutoff the list reaches (Angstrom).
        capacity: room for neighbours, relative to the most that any atom has now.

    Raises:
        ValueError: if the space is not periodic, the cell is too small for nearest images
            up to cutoff and skin, positions are not finite, `skin` is not positive, or
            `capacity` is less than 1.
    """
    space = potential.space
    if not isinstance(space, Periodic):
        raise ValueError(
            f"potential: lives in {type(space).__name__}; neighbour lists need a cell, "
            "StillingerWeber.silicon(cell)."
        )
    if not (np.isfinite(skin) and skin > 0):
        raise ValueError(f"skin: {skin} given; it must be positive and finite.")
    if not capacity >= 1:
        raise ValueError(f"capacity: {capacity} given; it must be at least 1.")
    known = np.asarray(positions)
    if not np.all(np.isfinite(known)):
        raise ValueError("positions: not finite; give finite numbers.")
    cell = np.asarray(space.cell, known.dtype)
    reach = _cutoff(potential) + skin
    smallest = _height(potential)
    if 2 * reach > smallest:
        raise ValueError(
            f"cell: its smallest height is {smallest:.4g}, less than twice cutoff and skin "
            f"({2 * reach:.4g}); tile it, lower the skin, or use the dense potential."
        )
    # A box that jax-md cuts into cells must be rectangular; it tries all pairs elsewhere.
    # It expects atoms inside of the box, which it knows in single precision.
    rectangular = np.count_nonzero(cell - np.diag(np.diag(cell))) == 0
    fractions = np.mod(known @ np.linalg.inv(cell), 1.0)
    wrapped = np.clip(fractions, 0, 1 - 1e-6) @ cell if rectangular else known
    inverse = jnp.asarray(np.linalg.inv(cell))

    # jax-md mixes dtypes and ranks, and warns of it, even when imported.
    with (
        warnings.catch_warnings(),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        warnings.simplefilter("ignore")
        from jax_md import partition

        functions = partition.neighbor_list(
            lambda a, b, **_: _nearest(a - b, jnp.asarray(cell), inverse),
            jnp.asarray(np.diag(cell) if rectangular else np.max(cell)),
            r_cutoff=reach,
            capacity_multiplier=capacity,
            disable_cell_list=not rectangular,
        )
        found, extra = functions.allocate(jnp.asarray(wrapped)), 0
        # Room is made for the structure at hand; that it suffices is checked, not believed.
        while bool(found.did_buffer_overflow):
            extra = 2 * extra + 4
            found = functions.allocate(jnp.asarray(wrapped), extra_capacity=extra)
    partners = jnp.asarray(found.idx.T, jnp.int32)
    return ListedStillingerWeber(  # pyright: ignore[reportCallIssue] `space` is a property
        potential=potential,
        partners=partners,
        origin=jnp.asarray(known),
        skin=jnp.asarray(skin, known.dtype),
    )


class _Kept(eqx.Module):
    """The last state within the list, and the notes of another watch on it."""

    state: State
    status: Status
    notes: Any


class _WithinList(AbstractWatch[_Kept]):
    """Ends a run at the step that leaves the list, and keeps the state before it.

    Arguments:
        watch: another one, which may end the run as well.
    """

    watch: AbstractWatch | None

    def begin(self, potential: AbstractPotential, state: State) -> _Kept:
        notes = None if self.watch is None else self.watch.begin(potential, state)
        return _Kept(state, self._going(notes), notes)

    def note(self, potential: AbstractPotential, state: State, notes: _Kept) -> _Kept:
        assert isinstance(potential, ListedStillingerWeber)
        x = state.observation.positions
        # A structure that is no longer finite needs no new list; its state says so.
        within = potential.fresh(x) | ~jnp.all(jnp.isfinite(x))
        watched = notes.notes
        if self.watch is not None:
            watched = self.watch.note(potential, state, watched)
        new = _Kept(state, self._going(watched), watched)
        old = eqx.tree_at(lambda kept: kept.status, notes, Status.outdated)
        return jax.tree.map(lambda a, b: jnp.where(within, a, b), new, old)

    def status(self, notes: _Kept) -> Status:
        return notes.status

    def _going(self, notes: Any) -> Status:
        status = None if self.watch is None else self.watch.status(notes)
        # An array, as all that goes around in a loop.
        return Status.where(True, status or Status.unfinished, Status.unfinished)


def relax(
    optimizer: AbstractOptimizer,
    potential: ListedStillingerWeber,
    positions: Float[Array, "n 3"],
    steps: int,
    *,
    key: PRNGKeyArray,
    watch: AbstractWatch | None = None,
) -> Rollout:
    """Run an optimizer as `rollout` does, and renew the list whenever atoms outrun it.

    Arguments:
        optimizer: any optimizer; one that looks at all pairs needs memory for them.
        potential: with a list; its skin widens if a single step exceeds it.
        positions: the start (Angstrom).
        steps: number of steps.
        key: for stochastic optimizers; same key, same rollout.
        watch: takes notes along the way, and may end the run, as `UntilConverged` does.

    Raises:
        ValueError: if `steps` is negative, an argument is of another kind, positions are
            not finite, or a single step moves atoms so far that the cell cannot hold the
            skin.
    """
    if steps < 0:
        raise ValueError(f"steps: {steps} given; it must not be negative.")
    require_instance(optimizer=(optimizer, AbstractOptimizer))
    require_instance(potential=(potential, ListedStillingerWeber))
    require_structure(positions, potential.space.dimension)
    dense, skin = potential.potential, float(potential.skin)
    if not bool(potential.fresh(positions)):
        potential = listed(dense, positions, skin)
    begun = rollout(optimizer, potential, positions, 0, horizon=steps, key=key)
    within, state, notes = _WithinList(watch), begun.state, None
    while True:
        before = state
        _, kept = run(
            optimizer, potential, state, steps - int(state.steps), within, notes, key=key
        )
        state, notes = kept.state, kept
        if not bool(kept.status == Status.outdated):
            break
        if int(state.steps) == int(before.steps) and bool(
            jnp.all(state.observation.positions == potential.origin)
        ):
            if 2 * (_cutoff(dense) + 2 * skin) > _height(dense):
                raise ValueError(
                    f"optimizer: one step moves an atom further than {0.5 * skin:.4g}, "
                    "more than lists of this cell can follow; shorten its steps or tile "
                    "the cell."
                )
            skin = 2 * skin
        renewed = listed(dense, state.observation.positions, skin)
        # Same shapes spare a compilation, where the old room suffices.
        room = potential.partners.shape[0] - renewed.partners.shape[0]
        if room > 0:
            n = positions.shape[0]
            wider = jnp.pad(renewed.partners, ((0, room), (0, 0)), constant_values=n)
            renewed = eqx.tree_at(lambda p: p.partners, renewed, wider)
        potential = renewed
        notes = eqx.tree_at(lambda kept: kept.status, kept, Status.unfinished)
    valid = state.observation.valid
    status = Status.where(valid, Status.spent, Status.invalid)
    going = kept.status == Status.unfinished
    return Rollout(state, Status.where(going, status, kept.status), notes=kept.notes)
