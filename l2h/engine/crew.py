"""What makes attempts: the pure parts, in batches of fixed shape, on one device or more."""

import math
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from .._leaves import cast
from ..domains import Domain
from ..inits import Grown, Spent
from ..potentials import AbstractPotential, holds_callback
from ..symmetry import Invariance
from .abandonment import Abandonment
from .arms import Arm
from .attempt import Begun, Walked, finish, polish, probation, start
from .room import Room

# Attempts of one program, and of one group that is finished together. They decide what an
# attempt knows of others, hence results; the number of devices does not.
LANES, GROUP = 16, 4
SINGLE = jnp.float32
Stage = TypeVar("Stage", Walked, Begun)


class Relaxed(NamedTuple):
    """A structure relaxed in double precision, and the evaluations that this took."""

    energy: float
    positions: np.ndarray
    evaluations: int


class End(NamedTuple):
    """How an attempt ended that was finished."""

    energy: float
    positions: np.ndarray
    finished: bool
    """Whether its quench came to its end."""
    spent: Spent
    """Since its probation."""
    repairs: int
    """Exchanges with vacancies that lowered the energy."""


@jax.jit
def _keys(root: PRNGKeyArray, numbers: Int[Array, " b"]) -> Key[Array, " b"]:
    return jax.vmap(partial(jax.random.fold_in, root))(numbers)


class Crew:
    """Begins, finishes and polishes attempts on one potential.

    Batches that are not full are filled up with copies, whose evaluations nobody needs; a
    calculator outside of JAX gets batches of one, so that every call of it counts.
    """

    def __init__(
        self,
        potential: AbstractPotential,
        n: int,
        rule: Abandonment,
        seed: int,
        devices: list[Any],
        domain: Domain = Domain.SEARCH,
    ) -> None:
        self.plain, self.n, self.rule, self.devices = potential, n, rule, devices
        self.room = Room.of(potential, n)
        self.root = domain.key(seed)
        outside = holds_callback(potential)
        self.lanes, self.group = (1, 1) if outside else (LANES, GROUP)
        self.compiling: list[Future[Any]] = []

    def compile_ahead(self, arm: Arm, rule: Abandonment) -> None:
        """Have all programs of a first round compiled beside each other, the dearest first,
        while others are still traced; nothing runs before it is called.

        Arguments:
            arm: that makes the round.
            rule: by which its attempts will be finished.
        """
        pool, potential = ThreadPoolExecutor(2), self.room.potential
        shape = self.room.rows, potential.space.dimension

        def nothing() -> Walked:
            x = jnp.zeros(shape, SINGLE)
            return Walked(x, x, Spent.nothing())

        def ahead(program: Any, *arguments: Any) -> None:
            self.compiling.append(pool.submit(program.lower(*arguments).compile))

        with jax.default_device(self.devices[0]):
            if arm.init is not None:
                ahead(start, *self._starting(arm, np.arange(self.lanes), None))
            walked = _blank(eqx.filter_eval_shape(nothing), self.lanes)
            trial = self.rule, potential, walked
            begun = eqx.filter_eval_shape(probation, *trial)
            ahead(probation, *trial)
        some = jax.tree.map(lambda leaf: leaf[: self.group], _blank(begun))
        ahead(finish, *self._finishing(rule, some, 0.0))
        ahead(polish, *self._polishing(np.zeros((self.group, *shape)), 1.0))
        pool.shutdown(wait=False)

    def begin(
        self,
        arm: Arm,
        numbers: Int[np.ndarray, " b"],
        known: Float[np.ndarray, "b n d"] | None = None,
    ) -> Begun:
        """Make the first part of attempts, up to the end of their probation.

        Arguments:
            arm: how they start and move.
            numbers: of the attempts, on which all randomness depends.
            known: where they start if the arm has no distribution of its own.
        """
        chunks = []
        for k, first in enumerate(range(0, len(numbers), self.lanes)):
            part = numbers[first : first + self.lanes]
            # All are under way before the first is waited for.
            with jax.default_device(self.devices[k % len(self.devices)]):
                some = None if known is None else known[first : first + self.lanes]
                chunks.append(self._begin(arm, part, some))
        whole = jax.tree.map(lambda *parts: np.concatenate(parts), *chunks)
        return jax.tree.map(lambda leaf: leaf[: len(numbers)], whole)

    def _begin(
        self, arm: Arm, numbers: np.ndarray, known: Float[np.ndarray, "b n d"] | None
    ) -> Begun:
        starting = self._starting(arm, numbers, known)
        # Who calls a program that is being compiled compiles it, too.
        wait(self.compiling)
        walked = start(*starting)
        begun = probation(self.rule, self.room.potential, _bare(walked))
        # For who makes the walk again.
        return _marked(begun, walked.invariance)

    def _starting(
        self, arm: Arm, numbers: np.ndarray, known: Float[np.ndarray, "b n d"] | None
    ) -> tuple[Any, ...]:
        index = _full(np.arange(len(numbers)), self.lanes)
        keys = _keys(self.root, np.asarray(numbers[index], np.int32))
        walk = None if arm.walk is None else (arm.walk, arm.steps)
        # Other starts, and walks, know nothing of atoms that are absent.
        potential, n = self.plain, self.n
        if isinstance(arm.init, Grown) and walk is None:
            potential, n = self.room.potential, self.room.rows
        low = None if known is None else jnp.asarray(known[index], SINGLE)
        return arm.init, walk, potential, n, SINGLE, keys, low, self.room.rows

    def finish(
        self, rule: Abandonment, begun: Begun, which: list[int], best: float
    ) -> dict[int, End]:
        """Quench and repair a group of attempts, given up by this rule on the way; return
        how each of them ended."""
        full = _full(np.array(which), self.group)
        some = jax.tree.map(lambda leaf: leaf[full], begun)
        ended = jax.device_get(finish(*self._finishing(rule, some, best)))
        ends = {}
        for k, number in enumerate(which):
            energy, spent = float(ended.energy[k]), ended.spent
            ends[number] = End(
                energy,
                ended.positions[k, : self.n].astype(np.float64),
                bool(ended.finished[k]) and math.isfinite(energy),
                Spent(int(spent.evaluations[k]), int(spent.probes[k])),
                int(ended.repairs[k]),
            )
        return ends

    def polish(
        self, structures: list[Float[np.ndarray, "n d"]], tolerance: float
    ) -> list[Relaxed]:
        """Relax structures in double precision."""
        results = []
        for first in range(0, len(structures), self.group):
            part = np.stack(structures[first : first + self.group])
            full = self.room.filled(part[_full(np.arange(len(part)), self.group)])
            relaxed = jax.device_get(polish(*self._polishing(full, tolerance)))
            results += [
                Relaxed(
                    float(relaxed.energy[k]),
                    relaxed.positions[k, : self.n],
                    int(relaxed.evaluations[k]),
                )
                for k in range(len(part))
            ]
        return results

    # Whoever calls a program: arguments of another precision, or of none of their own,
    # would make another program.

    def _finishing(self, rule: Abandonment, begun: Begun, best: float) -> tuple[Any, ...]:
        rule = cast(jax.device_get(rule), SINGLE)
        return rule, self.room.potential, _bare(begun), np.asarray(best, SINGLE)

    def _polishing(self, structures: Any, tolerance: float) -> tuple[Any, ...]:
        x = np.asarray(structures, np.float64)
        return self.room.potential, x, np.asarray(tolerance, np.float64)


def _full(index: Int[np.ndarray, " k"], count: int) -> Int[np.ndarray, " c"]:
    """Return the index, filled up with copies of its first entry."""
    return np.concatenate([index, np.full(count - len(index), index[0])])


def _blank(tree: Any, *axes: int) -> Any:
    """Return zeros of these shapes, with more axes in front."""
    return jax.tree.map(lambda leaf: np.zeros((*axes, *leaf.shape), leaf.dtype), tree)


def _marked(tree: Stage, invariance: Invariance | None) -> Stage:
    """Return what was begun with this symmetry noted."""
    return eqx.tree_at(
        lambda t: t.invariance, tree, invariance, is_leaf=lambda x: x is None
    )


def _bare(tree: Stage) -> Stage:
    """Return what was begun without its symmetry, which only some walks have: it would
    make another program of whatever comes after them."""
    return _marked(tree, None)
