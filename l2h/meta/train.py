"""One meta-update, as a pure function: ask, evaluate, tell."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt32

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


class Request(eqx.Module):
    """All that is needed to evaluate the population of one update."""

    horizon: Int[Array, ""]
    chunks: Float[Array, "r k p"]
    """Members as vectors, the last chunk filled up with copies of the last member."""
    starts: tuple[Float[Array, "c _ _"], ...]
    """Per task."""
    keys: UInt32[Array, "t w"]
    """Data of the keys for stochastic optimizers, per task."""


class Trainer(eqx.Module):
    """A meta-strategy, an objective and tasks, composed into one pure update.

    Members are evaluated in chunks of constant shape, the last one padded; devices
    receive whole chunks. Results therefore do not depend on the number of devices.

    Arguments:
        strategy: proposes members and learns from their losses.
        objective: turns rollouts into losses.
        tasks: what is searched; one program evaluates a chunk on all of them.
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

    @eqx.filter_jit
    def ask(self, state: MetaState) -> Request:
        """Draw horizon, members and starts of the next update."""
        horizon = self.objective.horizon(
            jax.random.fold_in(Domain.HORIZON.key(state.seed), state.update)
        )
        update = jax.random.fold_in(Domain.TRAIN.key(state.seed), state.update)
        keys = [jax.random.fold_in(update, i) for i in range(len(self.tasks))]
        starts = tuple(
            draw_starts(task, self.copies, key, jnp.dtype(self.precision))
            for task, key in zip(self.tasks, keys, strict=True)
        )
        members = self.strategy.ask(state)
        padding = -len(members) % self.chunk
        chunks = jnp.pad(members, [(0, padding), (0, 0)], mode="edge")
        return Request(
            horizon=horizon,
            chunks=chunks.reshape(-1, self.chunk, members.shape[1]),
            starts=starts,
            keys=jnp.stack([jax.random.key_data(key) for key in keys]),
        )

    @eqx.filter_jit
    def evaluate(
        self, template: AbstractOptimizer, request: Request, chunk: Int[Array, ""]
    ) -> tuple[Float[Array, "k t c"], Bool[Array, "k t c"]]:
        """Return losses and validity of the members of one chunk."""
        results = [
            chunk_losses(
                self.objective,
                template,
                request.chunks[chunk],
                task,
                starts,
                request.horizon,
                jax.random.wrap_key_data(key),
            )
            for task, starts, key in zip(
                self.tasks, request.starts, request.keys, strict=True
            )
        ]
        losses, valid = zip(*results, strict=True)
        return jnp.stack(losses, axis=1), jnp.stack(valid, axis=1)

    @eqx.filter_jit
    def tell(
        self,
        state: MetaState,
        losses: Float[Array, "q t c"],
        valid: Bool[Array, "q t c"],
        horizon: Int[Array, ""],
    ) -> tuple[MetaState, dict[str, Array]]:
        """Take the update that these losses suggest."""
        state, info = self.strategy.tell(state, losses)
        per_task = {
            f"loss/{task.name}": jnp.mean(losses[:, i]) for i, task in enumerate(self.tasks)
        }
        broken = jnp.mean(1 - valid.astype(losses.dtype))
        return state, {**info, **per_task, "horizon": horizon, "nonfinite": broken}

    def __call__(self, state: MetaState) -> tuple[MetaState, dict[str, Array]]:
        """Make one update.

        Every device runs the same program, one chunk at a time. A single program over all
        devices, or a loop over chunks inside one, would be arranged and hence rounded
        differently for every number of devices. For the same reason the whole must not be
        compiled again.

        Returns:
            The next state and statistics: the mean loss over the population, per task
            too, the horizon, the fraction of rollouts that became non-finite, and the
            strategy's own.
        """
        request = self.ask(state)
        devices = jax.local_devices()[: self.devices]
        copies = [_put((self, state.template, request), device) for device in devices]
        # All are under way before the first is waited for.
        running = [
            trainer.evaluate(template, sent, jnp.asarray(chunk, jnp.int32))
            for chunk in range(len(request.chunks))
            for trainer, template, sent in [copies[chunk % len(copies)]]
        ]
        count = self.strategy.population
        losses, valid = (
            jnp.asarray(np.concatenate([np.asarray(part) for part in parts])[:count])
            for parts in zip(*running, strict=True)
        )
        return self.tell(state, losses, valid, request.horizon)


def _put(tree: Any, device: Any) -> Any:
    """Copy the arrays of a tree to a device; functions stay as they are."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.device_put(arrays, device), rest)
