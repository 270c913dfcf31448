"""Training of what attempts are made of: what a hit costs in a search."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._leaves import require_positive
from ..domains import Domain
from ..meta import AbstractMetaStrategy, MetaState
from ..meta.params import unravel
from ..tasks import Task
from .abandonment import Abandonment
from .arms import Arm, abandonment
from .crew import Crew


@dataclasses.dataclass(frozen=True)
class Batch:
    """What a number of attempts on a task have spent and found."""

    costs: Float[np.ndarray, " b"]
    """Evaluations of each, those of cores and of abandoned attempts included."""
    excess: Float[np.ndarray, " b"]
    """Energy above the reference, in natural energies; infinite where given up."""


def growing(growth: Any, task: Task) -> Arm:
    """Return the arm of growth in training (`inits.Growth`)."""
    return Arm.growing("trained", growth)


class CostOfHit:
    r"""Logarithm of the evaluations per hit of attempts.

    \[ L = \ln \langle c_b \rangle - \ln\bigl(\langle h_b \rangle + p\bigr), \qquad
       h_b = \exp\Bigl(-\frac{\max(E_b - E_\mathrm{ref}, 0)}{\tau}\Bigr) \]

    over the attempts b of a batch: c_b counts evaluations, and h_b is a soft hit, since
    hits are rare. Attempts are made by the programs of a search, and given up as late in
    one: the best energy known is the reference.

    Arguments:
        tasks: of which a reference energy is known.
        seed: of everything that attempts draw.
        arm: what attempts are made by, of what is trained and a task: growth, unless told
            otherwise.
        attempts: of a batch.
        width: tau, in natural energies.
        prior: p, soft hits an attempt that are taken for granted, so that a batch without
            any has a finite loss.
        rules: by which attempts are given up, one for each task, before an allowance; those
            that suit the tasks by default.

    Raises:
        ValueError: if a number is not positive, or a task has no reference.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        seed: int,
        *,
        arm: Callable[[Any, Task], Arm] = growing,
        attempts: int = 32,
        width: float = 0.3,
        prior: float = 1e-3,
        rules: Sequence[Abandonment] | None = None,
    ) -> None:
        require_positive(attempts=attempts, width=width, prior=prior)
        if lacking := [task.name for task in tasks if task.reference is None]:
            raise ValueError(
                f"tasks: no lowest energy of {', '.join(lacking)} is known; take others."
            )
        self.tasks, self.attempts = tuple(tasks), attempts
        self.arm, self.width, self.prior = arm, width, prior
        device = jax.local_devices()[:1]
        chosen = [abandonment(task) for task in tasks] if rules is None else rules
        self.crews = [
            Crew(task.potential, task.n, rule, seed, device, Domain.TRAIN)
            for task, rule in zip(self.tasks, chosen, strict=True)
        ]

    def batch(self, module: Any, which: int, number: int) -> Batch:
        """Make a batch of attempts.

        Arguments:
            module: what is trained, of which `arm` makes them.
            which: of the tasks.
            number: of the batch, which decides on all that is drawn.
        """
        task, crew = self.tasks[which], self.crews[which]
        assert task.reference is not None
        arm = self.arm(module, task)
        rule = jax.device_get(crew.rule.narrowed(arm.allowance))
        begun = crew.begin(arm, number * self.attempts + np.arange(self.attempts))
        best = np.asarray(task.reference, np.float32)
        hopeless = rule.hopeless(task.potential, task.n, begun.expected, best)
        hopeful = begun.state.valid & ~np.asarray(hopeless, bool)
        costs = np.asarray(begun.spent.evaluations, float)
        excess = np.full(self.attempts, np.inf)
        places = np.flatnonzero(hopeful)
        for first in range(0, len(places), crew.group):
            group = places[first : first + crew.group].tolist()
            for k, end in crew.finish(rule, begun, group, task.reference).items():
                costs[k] += int(end.spent.evaluations)
                if end.finished:
                    excess[k] = max(end.energy - task.reference, 0) / task.unit
        return Batch(costs, excess)

    def loss(self, batch: Batch) -> float:
        """Return the logarithm of evaluations per soft hit."""
        hits = np.mean(np.exp(-batch.excess / self.width)) + self.prior
        return float(np.log(np.mean(batch.costs)) - np.log(hits))

    def update(
        self, strategy: AbstractMetaStrategy, state: MetaState
    ) -> tuple[MetaState, dict[str, float]]:
        """Make one update of a meta-strategy: all members make the same batch.

        Returns:
            The next state, and statistics: the strategy's own, the mean loss of each task,
            the evaluations made, and how many attempts were hits, within 0.05 of the
            reference.
        """
        members, number = strategy.ask(state), int(state.update)
        shape = (len(members), len(self.tasks), 1)
        losses, spent, hits = np.zeros(shape), 0, 0
        for i, params in enumerate(members):
            module: Any = unravel(state.template, params)
            for k in range(len(self.tasks)):
                batch = self.batch(module, k, number)
                losses[i, k, 0] = self.loss(batch)
                spent += int(batch.costs.sum())
                hits += int(np.sum(batch.excess < 0.05))
        told = jnp.asarray(losses, state.params.dtype)
        following, info = strategy.tell(state, told)
        plain = {
            f"loss/{task.name}": float(losses[:, k].mean())
            for k, task in enumerate(self.tasks)
        }
        own = {name: float(value) for name, value in info.items()}
        return following, {**own, **plain, "evaluations": spent, "hits": hits}
