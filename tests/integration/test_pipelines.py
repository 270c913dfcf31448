"""Compositions of pieces run, in small, and say what they found."""

from typing import Any

import jax
import pytest

from pipelines import evaluate, strategies, train, tune

RUNS: list[tuple[Any, dict[str, int], str]] = [
    (train.main, {"updates": 2, "pairs": 2, "horizon": 10}, "known global minimum, found"),
    (evaluate.main, {"budget": 100}, "L-BFGS, from start to start"),
    (tune.main, {"steps": 20, "updates": 1}, "learned: rate"),
    (strategies.main, {"updates": 1, "pairs": 2, "horizon": 5}, "normalized-es  last"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("main", "settings", "words"), RUNS)
def test_compositions_run(
    main: Any, settings: dict[str, int], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with jax.numpy_dtype_promotion("standard"):
        main("lj5", starts=4, **settings)
    assert words in capsys.readouterr().out
