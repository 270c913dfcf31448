"""One meta-update, as a pure function: ask, evaluate, tell."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, UInt32

from .._leaves import as_array, require_instance, require_positive
from .._platform import held, in_turn
from ..domains import Domain, Purpose, attempt_keys
from ..inits import AbstractInit
from ..potentials import AbstractPotential, holds_callback
from ..tasks import Task, draw
from . import processes
from .base import AbstractMetaStrategy, MetaState
from .objective import Objective
from .params import unravel

# Numbers held at once while a chunk is evaluated: per pair of atoms, per structure besides
# (network, features), per weight of a member. Fitted to what XLA allocates on processors.
PER_PAIR, PER_STRUCTURE, PER_WEIGHT = 6, 3000, 2


def alike(tasks: tuple[Task, ...]) -> tuple[tuple[int, ...], ...]:
    """Group tasks by what one compilation serves: the same number of atoms and the same
    kinds of potential and start, whatever their numbers. Alloys of one size are alike."""
    groups: dict[Any, list[int]] = {}
    for i, task in enumerate(tasks):
        arrays, rest = eqx.partition((task.potential, task.init), eqx.is_array)
        shapes = tuple((x.shape, x.dtype) for x in jax.tree.leaves(arrays))
        structure = jax.tree.structure(arrays)
        kind = (task.n, structure, shapes, tuple(jax.tree.leaves(rest)))
        groups.setdefault(kind, []).append(i)
    return tuple(tuple(group) for group in groups.values())


class Request(eqx.Module):
    """All that is needed, besides the state, to evaluate the population of one update."""

    horizon: Int[Array, ""]
    starts: tuple[Float[Array, "_ c _ _"], ...]
    """Per group of alike tasks, task by task."""
    keys: tuple[UInt32[Array, "_ w"], ...]
    """Data of the keys for stochastic optimizers, likewise."""
    drawn: Int[Array, ""]
    """Evaluations that it took to draw the starts."""


def _as_tasks(tasks: Any) -> Any:
    """Take any sequence of tasks, but not a single one."""
    if isinstance(tasks, (str, Task)) or not isinstance(tasks, Iterable):
        raise ValueError(
            f"tasks: {type(tasks).__name__} given; give a sequence of tasks, such as "
            "[l2h.tasks.get('lj13')]."
        )
    return tuple(tasks)


class Trainer(eqx.Module):
    """A meta-strategy, an objective and tasks, composed into one update.

    Members are evaluated in chunks of constant shape, the last one filled up; devices
    and processes receive whole chunks, and only losses travel between them. Results
    therefore depend on neither number.

    Arguments:
        strategy: proposes members and learns from their losses.
        objective: turns rollouts into losses.
        tasks: what is searched; one program evaluates a chunk on all of them.
        starts_per_task: drawn in every update, shared by all members.
        chunk: members evaluated at once on one device, at most.
        devices: how many local devices of each process share its chunks.
        precision: floating-point type of starts and rollouts.
        updates: length of the schedule, for horizons that grow.

    Raises:
        ValueError: if a count is not positive, no task is given, an argument is of another
            kind, or there are more devices than exist.
    """

    strategy: AbstractMetaStrategy
    objective: Objective
    tasks: tuple[Task, ...] = eqx.field(converter=_as_tasks)
    starts_per_task: int = eqx.field(static=True, default=2)
    chunk: int = eqx.field(static=True, default=16)
    devices: int = eqx.field(static=True, default=1)
    precision: str = eqx.field(static=True, default="float32")
    updates: Float[Array, ""] = eqx.field(converter=as_array, default=250.0)

    def __check_init__(self) -> None:
        require_instance(
            strategy=(self.strategy, AbstractMetaStrategy),
            objective=(self.objective, Objective),
        )
        for task in self.tasks:
            require_instance(tasks=(task, Task))
        for name in ("starts_per_task", "chunk", "devices"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; it must be at least 1."
                )
        require_positive(updates=self.updates)
        if not self.tasks:
            raise ValueError("tasks: none given; name at least one, such as lj13.")
        if self.devices > jax.local_device_count():
            raise ValueError(
                f"devices: {self.devices} asked for, {jax.local_device_count()} present; "
                "ask for fewer."
            )

    @property
    def chunks(self) -> int:
        """Number of chunks of the population; a program outside of JAX gets one member at
        a time, so that every call of it counts."""
        outside = any(holds_callback(task.potential) for task in self.tasks)
        return -(-self.strategy.population // (1 if outside else self.chunk))

    @property
    def width(self) -> int:
        """Members per chunk: as even as possible, so that little is filled up."""
        return -(-self.strategy.population // self.chunks)

    def evaluations(self, horizon: int, drawn: int = 0) -> int:
        """Return the energy-and-gradient evaluations of one update.

        Arguments:
            horizon: steps of its rollouts.
            drawn: evaluations that it took to draw the starts, which all members share.
        """
        rollouts = self.strategy.population * self.starts_per_task * len(self.tasks)
        return drawn + rollouts * (horizon + 1)

    def memory(self, weights: int) -> int:
        """Estimated bytes that a device needs while it evaluates a chunk.

        Tasks that one program serves are held together on accelerators; all others are
        evaluated one after the other, so the largest counts.

        Arguments:
            weights: number of trainable numbers, see `l2h.meta.count`.
        """
        largest = 0
        for group in alike(self.tasks):
            task = self.tasks[group[0]]
            space = task.potential.space
            shape = jax.ShapeDtypeStruct((task.n, space.dimension), self.precision)
            pairs = eqx.filter_eval_shape(space.pairs, shape).squared.size
            structure = PER_PAIR * pairs + PER_STRUCTURE
            largest = max(largest, held(len(group)) * structure)
        structures = self.starts_per_task * largest
        itemsize = jnp.dtype(self.precision).itemsize
        return self.width * (structures + PER_WEIGHT * weights) * itemsize

    def _mapped(self, one: Callable[..., Any], group: tuple[int, ...], *arguments: Any):
        """Map `one(potential, init, *arguments)` over alike tasks, in turn."""
        split = [
            eqx.partition((self.tasks[i].potential, self.tasks[i].init), eqx.is_array)
            for i in group
        ]
        stacked = jax.tree.map(lambda *x: jnp.stack(x), *[arrays for arrays, _ in split])
        rest = split[0][1]

        def apply(element: Any) -> Any:
            arrays, others = element
            return one(*eqx.combine(arrays, rest), *others)

        return in_turn(apply, (stacked, arguments))

    def _keys(self, task: PRNGKeyArray, purpose: Purpose) -> Key[Array, " c"]:
        """Return the keys of all copies of a task, one each."""
        first = jnp.asarray(0, jnp.int32)
        return attempt_keys(
            task,
            jnp.arange(self.starts_per_task, dtype=jnp.int32),
            first,
            jnp.asarray(purpose, jnp.int32),
        )

    @eqx.filter_jit
    def ask(self, state: MetaState) -> Request:
        """Draw horizon and starts of the next update."""
        horizon = self.objective.horizon(
            jax.random.fold_in(Domain.HORIZON.key(state.seed), state.update),
            state.update.astype(self.updates.dtype) / self.updates,
        )
        update = jax.random.fold_in(Domain.TRAIN.key(state.seed), state.update)
        dtype = jnp.dtype(self.precision)
        starts, keys, drawn = [], [], jnp.asarray(0, jnp.int32)
        for group in alike(self.tasks):
            own = jax.vmap(partial(jax.random.fold_in, update))(jnp.asarray(group))
            n = self.tasks[group[0]].n
            some, spent = self._mapped(
                lambda potential, init, key, n=n: draw(
                    init, potential, n, self._keys(key, Purpose.START), dtype
                ),
                group,
                own,
            )
            starts.append(some)
            keys.append(jax.random.key_data(own))
            drawn += jnp.sum(spent, dtype=jnp.int32)
        return Request(horizon, tuple(starts), tuple(keys), drawn)

    @eqx.filter_jit
    def evaluate(
        self, state: MetaState, request: Request, chunk: Int[Array, ""]
    ) -> tuple[Float[Array, "k t c"], Bool[Array, "k t c"]]:
        """Return losses and validity of the members of one chunk."""
        # The last chunk is filled up with copies of the last member.
        index = chunk * self.width + jnp.arange(self.width, dtype=chunk.dtype)
        index = jnp.minimum(index, self.strategy.population - 1)
        members = jax.vmap(partial(self.strategy.member, state))(index)

        def on_task(
            potential: AbstractPotential,
            _: AbstractInit,
            starts: Float[Array, "c n d"],
            key: UInt32[Array, " w"],
        ) -> tuple[Float[Array, "k c"], Bool[Array, "k c"]]:
            keys = self._keys(jax.random.wrap_key_data(key), Purpose.SEARCH)

            def one(
                params: Float[Array, " p"], start: Float[Array, "n d"], own: PRNGKeyArray
            ):
                return self.objective.loss(
                    unravel(state.template, params),
                    potential,
                    start,
                    request.horizon,
                    key=own,
                )

            over_starts = jax.vmap(one, in_axes=(None, 0, 0))
            return jax.vmap(over_starts, in_axes=(0, None, None))(members, starts, keys)

        groups = alike(self.tasks)
        results = [
            self._mapped(on_task, group, starts, keys)
            for group, starts, keys in zip(
                groups, request.starts, request.keys, strict=True
            )
        ]
        order = np.argsort([i for group in groups for i in group])
        losses, valid = (
            jnp.moveaxis(jnp.concatenate(parts)[order], 0, 1)
            for parts in zip(*results, strict=True)
        )
        return losses, valid

    @eqx.filter_jit
    def tell(
        self,
        state: MetaState,
        losses: Float[Array, "q t c"],
        valid: Bool[Array, "q t c"],
        horizon: Int[Array, ""],
    ) -> tuple[MetaState, dict[str, Array]]:
        """Take the update that these losses suggest."""
        state, info = self.strategy.tell(state, self.objective.compare(losses))
        plain = {
            f"loss/{task.name}": jnp.mean(losses[:, i]) for i, task in enumerate(self.tasks)
        }
        broken = jnp.mean(1 - valid.astype(losses.dtype))
        # The strategy's own mean may be of scaled losses.
        info = {**info, "loss": jnp.mean(losses), **plain}
        return state, {**info, "horizon": horizon, "nonfinite": broken}

    def __call__(self, state: MetaState) -> tuple[MetaState, dict[str, Array]]:
        """Make one update, together with all other processes, if there are any.

        Every device runs the same program, one chunk at a time. A single program over all
        devices, or a loop over chunks inside one, would be arranged and hence rounded
        differently for every number of devices. For the same reason the whole must not be
        compiled again.

        Returns:
            The next state and statistics: the mean loss over the population, per task
            too, the horizon, the fraction of rollouts that became non-finite, the
            evaluations that it took to draw the starts, and the strategy's own.
        """
        request = self.ask(state)
        devices = jax.local_devices()[: self.devices]
        copies = [_put((self, state, request), device) for device in devices]
        mine = range(processes.index(), self.chunks, processes.count())
        # All are under way before the first is waited for.
        running = [
            trainer.evaluate(*sent, jnp.asarray(chunk, jnp.int32))
            for place, chunk in enumerate(mine)
            for trainer, *sent in [copies[place % len(copies)]]
        ]
        parts = [tuple(np.asarray(x) for x in part) for part in running]
        everything = processes.gather(parts, self.chunks)
        losses, valid = (
            jnp.asarray(np.concatenate(column)[: self.strategy.population])
            for column in zip(*everything, strict=True)
        )
        state, info = self.tell(state, losses, valid, request.horizon)
        return state, {**info, "drawn": request.drawn}


def _put(tree: Any, device: Any) -> Any:
    """Copy the arrays of a tree to a device; functions stay as they are."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.device_put(arrays, device), rest)
