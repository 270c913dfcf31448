"""Starts and searches depend on their numbers alone, and share no randomness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from trials import RESTARTED, TASK, run

from l2h.domains import Domain, Purpose, attempt_keys
from l2h.tasks import draw


def test_starts_are_the_same_for_any_number_and_precision():
    whole = TASK.draw(3, Domain.TEST, range(30), jnp.float64).positions
    some = TASK.draw(3, Domain.TEST, [29, 4], jnp.float32).positions
    assert jnp.array_equal(whole[jnp.asarray([29, 4])].astype(jnp.float32), some)
    # Also where training draws them.
    keys = jax.random.split(jax.random.key(0), 2)
    drawn, spent = draw(TASK.init, TASK.potential, 5, keys, jnp.float64)
    assert not spent.any()
    assert drawn.dtype == jnp.float64
    np.testing.assert_array_equal(drawn, np.asarray(drawn, np.float32))
    with pytest.raises(ValueError, match="indices"):
        TASK.draw(3, Domain.TEST, [], jnp.float64)


def test_no_two_starts_or_searches_share_a_key():
    """Over domains, starts, attempts, starts and searches, and the keys of steps."""
    fold = jax.vmap(jax.random.fold_in, in_axes=(None, 0))
    of_steps = jax.vmap(lambda key: fold(key, jnp.arange(5)))
    seen = {}
    for domain in Domain:
        for attempt in range(3):
            for purpose in Purpose:
                path = [jnp.asarray(x, jnp.int32) for x in (attempt, purpose)]
                indices = jnp.arange(4, dtype=jnp.int32)
                keys = attempt_keys(domain.key(0), indices, *path)
                steps = of_steps(keys)
                for kind, group in (("own", keys), ("step", steps.ravel())):
                    for i, data in enumerate(np.asarray(jax.random.key_data(group))):
                        place = (domain, attempt, purpose, kind, i)
                        other = seen.setdefault(data.tobytes(), place)
                        assert other == place, f"{place} has the key of {other}"
    assert len(seen) == len(Domain) * 3 * 2 * (4 + 20)


def test_starts_and_searches_of_the_harness_share_no_key(monkeypatch):
    drawn = {"starts": [], "searches": []}

    def spy(kind):
        def keys(*path):
            made = attempt_keys(*path)
            drawn[kind].append(np.asarray(jax.random.key_data(made)))
            return made

        return keys

    monkeypatch.setattr("l2h.tasks.base.attempt_keys", spy("starts"))
    monkeypatch.setattr("l2h.evaluation.harness.attempt_keys", spy("searches"))
    trials = run(RESTARTED, indices=range(25), budget=200)
    count = trials.found.shape[1]
    assert count >= 3
    del drawn["starts"][0]  # for which the program that draws was compiled, not run
    rows = np.concatenate([np.concatenate(parts) for parts in drawn.values()])
    assert len(rows) == len(np.unique(rows, axis=0)) == 2 * 25 * count


def test_starts_of_domains_and_attempts_differ():
    drawn = [
        np.asarray(TASK.draw(0, domain, range(4), jnp.float32, attempt).positions)
        for domain in (Domain.TRAIN, Domain.VALIDATION, Domain.TEST)
        for attempt in range(2)
    ]
    flat = np.concatenate(drawn)
    assert len({x.tobytes() for x in flat}) == len(flat)
