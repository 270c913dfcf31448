"""Learned optimizers for the lowest-energy structure of a set of atoms."""

from . import (
    inits as inits,
    meta as meta,
    optimizers as optimizers,
    potentials as potentials,
    spaces as spaces,
    tasks as tasks,
)
from .rollout import Rollout as Rollout, advance as advance, rollout as rollout
