"""Names joined by commas are read in one way, by whoever takes them."""

from pathlib import Path
from typing import Any

import pytest

from l2h._registry import listed
from l2h.tasks import expanded
from pipelines import (
    attempts,
    bimetallic,
    descents,
    peers,
    sizes,
    sweep,
    transfer,
)


def of_sizes(text: str, folder: Path) -> Any:
    given = {"only13": "lj13", "only75": "lj38", "six": "lj-family"}
    sizes.main(sizes=text, folder=folder, devices=1, **given)


READERS: dict[str, tuple[str, Any]] = {
    "families": ("tasks", lambda text, folder: expanded(text)),
    "descents": (
        "tasks",
        lambda text, folder: descents.main(text, file=folder / "descents.csv"),
    ),
    "starts of descents": (
        "starts",
        lambda text, folder: descents.main("lj5", starts=text, file=folder / "x.csv"),
    ),
    "sweep": ("tasks", lambda text, folder: sweep.main(text, output=folder / "sweep.csv")),
    "arms of sweep": (
        "arms",
        lambda text, folder: sweep.main("lj5", arms=text, output=folder / "sweep.csv"),
    ),
    "attempts": (
        "tasks",
        lambda text, folder: attempts.main(folder=folder / "run", tasks=text),
    ),
    "transfer": (
        "tasks",
        lambda text, folder: transfer.main(tasks=text, folder=folder, devices=1),
    ),
    "others of transfer": (
        "others",
        lambda text, folder: transfer.main(others=text, folder=folder, devices=1),
    ),
    "sizes": ("sizes", of_sizes),
    "bimetallic": (
        "counts",
        lambda text, folder: bimetallic.main(
            counts=text, weights="lj38", folder=folder, devices=1
        ),
    ),
    "peers": ("peers", lambda text, folder: peers.main("lj5", peers=text)),
}


def test_blanks_around_names_do_not_count() -> None:
    assert listed("tasks", " lj5 ,lj6") == ["lj5", "lj6"]


@pytest.mark.parametrize("who", READERS)
def test_a_missing_or_doubled_name_is_an_error_before_anything_is_done(
    who: str, tmp_path: Path
) -> None:
    argument, read = READERS[who]
    with pytest.raises(ValueError, match=f"^{argument}: 'lj5,, lj6' lacks a name"):
        read("lj5,, lj6", tmp_path)
    with pytest.raises(ValueError, match=f"^{argument}: 'lj5, lj5' names one twice"):
        read("lj5, lj5", tmp_path)
    assert not list(tmp_path.iterdir())
