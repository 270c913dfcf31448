"""Trials of a small cluster, which tests share."""

import jax.numpy as jnp

from l2h import tasks
from l2h.evaluation import Method, Trials, evaluate
from l2h.optimizers import Adam

TASK = tasks.get("lj5")
RESTARTED = Method("adam@30", Adam(0.05), 30)
ONCE = Method("adam", Adam(0.05))
BUDGET = 200


def run(method: Method, task=TASK, indices=range(20), budget=BUDGET, **options) -> Trials:
    options = {"seed": 0, "dtype": jnp.float64, "looks": 60} | options
    return evaluate(method, task, indices, budget=budget, **options)
