"""Starts share no randomness with the searches that begin there."""

import jax
import jax.numpy as jnp
import numpy as np

from l2h.inits import Harmonic, Uniform
from l2h.optimizers import AbstractOptimizer, untrained
from l2h.potentials import LennardJones


class Wander(AbstractOptimizer):
    """Moves at random; all that it does is draw."""

    def begin(self, potential, observation, *, horizon, key):
        return None

    def move(self, potential, state, *, key):
        x = state.observation.positions
        return x + 0.1 * jax.random.normal(key, x.shape, x.dtype), None

    def trainable(self):
        return untrained(self)


def test_the_relaxation_of_starts_shares_no_draw_with_searches():
    key, potential = jax.random.key(3), LennardJones()
    seen = [Uniform()(key, potential, 6, jnp.float64)]
    for steps in (1, 2, 3):
        start = Harmonic(relaxer=Wander(), steps=steps)
        seen.append(start(key, potential, 6, jnp.float64))
    centred = [x - x.mean(axis=0) for x in map(np.asarray, seen)]
    for ours in np.diff(centred, axis=0):
        assert np.max(np.abs(ours)) > 0.05
        # What a search with this key draws in a step, or in a part of one.
        for step in range(5):
            step_key = jax.random.fold_in(key, step)
            parts = [jax.random.fold_in(step_key, part) for part in range(5)]
            for drawn in (step_key, *parts, *jax.random.split(step_key, 4)):
                move = 0.1 * np.asarray(jax.random.normal(drawn, (6, 3), jnp.float64))
                assert np.max(np.abs(ours - (move - np.mean(move, axis=0)))) > 0.05
