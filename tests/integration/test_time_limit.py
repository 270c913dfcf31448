"""Compilation takes nothing from the minutes that a search is given."""

import sys
from types import SimpleNamespace
from typing import Any

import jax
import pytest

from l2h import tasks
from l2h.engine import Arm, search
from l2h.engine.search import _Search

HOUR = 3600.0


@pytest.mark.slow
def test_time_is_counted_from_the_first_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, slow=HOUR)
    # The package's own name `search` is the function.
    module = sys.modules[_Search.__module__]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    make = _Search._begin

    def begin(self: Any, *arguments: Any) -> Any:
        # The first program that is compiled takes an hour, later ones none.
        clock.now, clock.slow = clock.now + clock.slow, 0.0
        return make(self, *arguments)

    monkeypatch.setattr(_Search, "_begin", begin)
    task, seen = tasks.get("lj7"), []
    arm = Arm("quench", task.init)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        result = search(
            task,
            arms=[arm],
            evaluations=900,
            minutes=1.0,
            on_progress=lambda p: seen.append(p),
        )
    assert "budget" in result.status and seen[-1].searching == 0.0
    assert seen[-1].seconds == HOUR
