"""Trained optimizers: which there are, what is known of them, and whether a file is whole.

l2h weights list
l2h weights show lj38
l2h weights verify runs/lj38-seed0/best.l2h
"""

import json
from contextlib import ExitStack
from importlib import resources
from typing import Annotated, Any, Literal

import tyro


def main(
    action: Annotated[Literal["list", "show", "verify"], tyro.conf.Positional] = "list",
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    /,
) -> None:
    """List trained optimizers, show what a file says of itself, or verify its digest.

    Args:
        action: What to do.
        names: Bundled names, or files such as a run's best.l2h; all that are bundled by
            default.
    """
    from .. import weights

    chosen = names or weights.names()
    for name in chosen:
        if action == "verify":
            weights.load(name)
            print(f"{name}: whole, and its network loads")
        else:
            card = _card(name)
            if action == "show":
                print(json.dumps({"name": name, **card}, indent=1))
            else:
                print(f"{name}: {_line(card)}")


def _card(name: str) -> dict[str, Any]:
    from .. import weights
    from ..io import read_metadata

    if name.endswith(".l2h"):
        return read_metadata(name)
    if name not in weights.names():
        raise ValueError(
            f"name: {name!r} is unknown; choose from {', '.join(weights.names())}, or give "
            "the path of a run's best.l2h."
        )
    with ExitStack() as stack:
        file = resources.files("l2h.weights") / f"{name}.l2h"
        return read_metadata(str(stack.enter_context(resources.as_file(file))))


def _line(card: dict[str, Any]) -> str:
    import tomllib

    settings = tomllib.loads(str(card.get("config", "")))
    trained = ", ".join(settings.get("tasks", ())) or "unknown tasks"
    rate = card.get("metrics", {}).get("validation/success")
    success = "" if rate is None else f"; found {rate:.0%} in validation"
    return f"trained on {trained}{success}"
