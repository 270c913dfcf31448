"""One meta-update, as a pure function: ask, evaluate, tell."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ..domains import Domain
from ..optimizers import AbstractOptimizer
from ..tasks import Task
from .base import AbstractMetaStrategy, MetaState
from .coordinates import assemble
from .objective import Objective


@eqx.filter_jit
def draw_starts(
    task: Task, copies: int, key: PRNGKeyArray, dtype: Any
) -> Float[Array, "c n d"]:
    """Draw starts of a task; start number i depends on the key and i alone."""
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(copies))
    return jax.vmap(lambda k: task.init(k, task.potential, task.n, dtype))(keys)


def chunk_losses(
    objective: Objective,
    template: AbstractOptimizer,
    members: Float[Array, "q p"],
    task: Task,
    starts: Float[Array, "c n d"],
    horizon: Int[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Float[Array, "q c"], Bool[Array, "q c"]]:
    """Return loss and validity of every member from every start."""

    def one(theta: Float[Array, " p"], start: Float[Array, "n d"], copy: Int[Array, ""]):
        return objective.loss(
            assemble(template, theta),
            task.potential,
            start,
            horizon,
            key=jax.random.fold_in(key, copy),
        )

    over_starts = jax.vmap(one, in_axes=(None, 0, 0))
    over_members = jax.vmap(over_starts, in_axes=(0, None, None))
    return over_members(members, starts, jnp.arange(len(starts)))


class Trainer(eqx.Module):
    """A meta-strategy, an objective and tasks, composed into one pure update.

    Members are evaluated in chunks of constant shape, the last one padded; devices
    receive whole chunks. Results therefore do not depend on the number of devices.

    Arguments:
        strategy: proposes members and learns from their losses.
        objective: turns rollouts into losses.
        tasks: what is searched; each is compiled once.
        copies: starts per task and update, shared by all members.
        chunk: members evaluated at once on one device.
        devices: how many local devices share the chunks.
        precision: floating-point type of starts and rollouts.

    Raises:
        ValueError: if a count is not positive, no task is given, or there are more
            devices than exist.
    """

    strategy: AbstractMetaStrategy
    objective: Objective
    tasks: tuple[Task, ...]
    copies: int = eqx.field(static=True, default=2)
    chunk: int = eqx.field(static=True, default=16)
    devices: int = eqx.field(static=True, default=1)
    precision: str = eqx.field(static=True, default="float32")

    def __check_init__(self) -> None:
        for name in ("copies", "chunk", "devices"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; it must be at least 1."
                )
        if not self.tasks:
            raise ValueError("tasks: none given; name at least one, such as lj13.")
        if self.devices > jax.local_device_count():
            raise ValueError(
                f"devices: {self.devices} asked for, {jax.local_device_count()} present; "
                "ask for fewer."
            )

    def evaluations(self, horizon: int) -> int:
        """Return the energy-and-gradient evaluations of one update of this horizon."""
        rollouts = self.strategy.population * self.copies * len(self.tasks)
        return rollouts * (horizon + 1)

    def losses(
        self, state: MetaState, members: Float[Array, "q p"], horizon: Int[Array, ""]
    ) -> tuple[Float[Array, "q t c"], Bool[Array, "q t c"]]:
        """Evaluate all members on the starts of this update."""
        base = Domain.TRAIN.key(state.seed)
        update = jax.random.fold_in(base, state.update)
        per_round = self.chunk * self.devices
        rounds = -(-len(members) // per_round)
        padding = rounds * per_round - len(members)
        chunks = jnp.pad(members, [(0, padding), (0, 0)], mode="edge")
        chunks = chunks.reshape(rounds * self.devices, self.chunk, -1)
        columns = []
        for index, task in enumerate(self.tasks):
            key = jax.random.fold_in(update, index)
            starts = draw_starts(task, self.copies, key, jnp.dtype(self.precision))
            columns.append(self._sharded(state.template, task, chunks, starts, horizon, key))
        losses, valid = zip(*columns, strict=True)
        count = len(members)
        return jnp.stack(losses, axis=1)[:count], jnp.stack(valid, axis=1)[:count]

    def _sharded(
        self,
        template: AbstractOptimizer,
        task: Task,
        chunks: Float[Array, "r k p"],
        starts: Float[Array, "c n d"],
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "q c"], Bool[Array, "q c"]]:
        def local(chunks: Array, starts: Array, horizon: Array, data: Array):
            def evaluate(members: Array):
                return chunk_losses(
                    self.objective,
                    template,
                    members,
                    task,
                    starts,
                    horizon,
                    jax.random.wrap_key_data(data),
                )

            return jax.lax.map(evaluate, chunks)

        mesh = Mesh(np.array(jax.local_devices()[: self.devices]), ("chunks",))
        sharded, whole = PartitionSpec("chunks"), PartitionSpec()
        mapped = jax.shard_map(
            local,
            mesh=mesh,
            in_specs=(sharded, whole, whole, whole),
            out_specs=sharded,
            check_vma=False,
        )
        losses, valid = mapped(chunks, starts, horizon, jax.random.key_data(key))
        return losses.reshape(-1, self.copies), valid.reshape(-1, self.copies)

    def __call__(
        self, state: MetaState
    ) -> tuple[MetaState, dict[str, Float[Array, ""]]]:
        """Make one update.

        Returns:
            The next state and statistics: the mean loss over the population, per task
            too, the horizon, the fraction of rollouts that became non-finite, and the
            strategy's own.
        """
        horizon = self.objective.horizon(
            jax.random.fold_in(Domain.HORIZON.key(state.seed), state.update)
        )
        members = self.strategy.ask(state)
        losses, valid = self.losses(state, members, horizon)
        state, info = self.strategy.tell(state, losses)
        per_task = {
            f"loss/{task.name}": jnp.mean(losses[:, i]) for i, task in enumerate(self.tasks)
        }
        broken = jnp.mean(1 - valid.astype(losses.dtype))
        return state, {**info, **per_task, "horizon": horizon, "nonfinite": broken}

