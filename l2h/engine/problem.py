"""What is to be searched, and how: one search's input, checked before anything runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from .._digest import digest
from ..inits import Harmonic
from ..potentials import AbstractPotential
from ..tasks import Task, get
from .abandonment import Abandonment
from .arms import Arm, abandonment, choose
from .bandit import Shares


@dataclass(frozen=True)
class Limits:
    """When a search ends; at least one of them is given.

    Raises:
        ValueError: if none is, or a time is not positive.
    """

    evaluations: int | None
    minutes: float | None
    target: float | None
    """An energy that, once found, is enough, in the potential's unit."""

    def __post_init__(self) -> None:
        if self.evaluations is None and self.minutes is None and self.target is None:
            raise ValueError(
                "evaluations, minutes, until: none given; a search needs a limit, such as "
                "evaluations=100_000."
            )
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"minutes: {self.minutes} given; give a positive time.")

    @property
    def budget(self) -> float:
        """Evaluations granted; infinite without that limit."""
        return math.inf if self.evaluations is None else float(self.evaluations)


@dataclass(frozen=True)
class Problem:
    """A task, and how it is searched: all that determines the result, but for the limits.

    Raises:
        ValueError: if the seed is out of range, or JAX lacks double precision.
    """

    task: Task
    arms: tuple[Arm, ...]
    rule: Abandonment
    shares: Shares
    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed: {self.seed} given; take one from 0 to 2^32 - 1.")
        if jax.dtypes.canonicalize_dtype(jnp.float64) != jnp.float64:
            raise ValueError(
                "precision: minima are polished in double precision, which JAX has "
                "switched off; before anything else, say "
                'jax.config.update("jax_enable_x64", True).'
            )

    @staticmethod
    def of(
        task: Task,
        arms: Sequence[str | Arm] | None,
        rule: Abandonment | None,
        shares: Shares | None,
        seed: int,
    ) -> "Problem":
        """Return the problem with what suits the task where nothing is given."""
        chosen = choose(task, arms)
        return Problem(task, chosen, rule or abandonment(task), shares or Shares(), seed)

    def affords(self, evaluations: int | None) -> None:
        """Raise ValueError if a budget is too small for one attempt."""
        costs = {arm.name: arm.least(self.rule) for arm in self.arms}
        name = min(costs, key=lambda name: costs[name])
        if evaluations is not None and evaluations < costs[name]:
            raise ValueError(
                f"evaluations: {evaluations} given, but one attempt of {name} takes "
                f"{costs[name]:,} or more; give at least that."
            )

    def settings(self) -> dict[str, Any]:
        """Return what determines the result, as plain Python."""
        return {
            "task": self.task.name,
            "atoms": self.task.n,
            "seed": self.seed,
            "arms": [arm.name for arm in self.arms],
            "parameters": digest((self.task.potential, self.arms, self.rule)),
            "after": self.rule.after,
            "floor": self.shares.floor,
            "adaptive": self.shares.adaptive,
        }


def task_of(task: str | Task | AbstractPotential, n: int | None) -> Task:
    """Return the task that a name, or a potential and a number of atoms, stand for.

    Raises:
        ValueError: if they stand for none, or for fewer than two atoms.
    """
    if isinstance(task, str):
        task = get(task)
    if isinstance(task, AbstractPotential):
        if n is None:
            raise ValueError("n: not given; a potential alone does not say how many atoms.")
        task = Task(type(task).__name__, task, Harmonic(), n)
    elif n is not None:
        raise ValueError(f"n: {n} given, but the task says how many atoms; leave it out.")
    if not isinstance(task, Task):
        raise ValueError(
            f"task: {task!r} given; name a task such as lj38, or give a Task or a "
            "potential."
        )
    if task.n < 2:
        raise ValueError(f"task: {task.name} has {task.n} atoms; search at least 2.")
    return task


def target_of(task: Task, until: str | float | None) -> float | None:
    """Return the energy that `until` stands for.

    Raises:
        ValueError: if it stands for none.
    """
    if until == "reference":
        if task.reference is None:
            raise ValueError(
                f"until: no lowest energy of {task.name} is known; give an energy, or "
                "another limit."
            )
        return task.reference
    if isinstance(until, str):
        raise ValueError(f'until: {until!r} given; say "reference", or give an energy.')
    if until is not None and not math.isfinite(until):
        raise ValueError(f"until: {until} given; give a finite energy.")
    return until


def devices_of(count: int | None) -> list[Any]:
    """Return so many local devices; all by default.

    Raises:
        ValueError: if there are not as many.
    """
    present = jax.local_devices()
    if count is not None and not 1 <= count <= len(present):
        raise ValueError(
            f"devices: {count} asked for, {len(present)} present; ask for 1 or more, and "
            "no more than these."
        )
    return present[:count]
