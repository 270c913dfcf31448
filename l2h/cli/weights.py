"""Trained optimizers: which there are, what is known of them, and whether a file is whole.

l2h weights list
l2h weights show lj38
l2h weights verify runs/lj38-seed0/best.l2h
"""

import json
from typing import Annotated, Any, Literal

import tyro

from .launch import prepare


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
    prepare()
    from .. import weights

    chosen = names or (*weights.names(), weights.GROWTH)
    for name in chosen:
        if action == "verify":
            weights.load(name)
            print(f"{name}: whole, and its network loads")
        else:
            card = weights.card(name)
            if action == "show":
                print(json.dumps({"name": name, **card}, indent=1))
            else:
                print(f"{name}: {_line(name, card)}")


def _line(name: str, card: dict[str, Any]) -> str:
    from .. import weights

    trained = ", ".join(weights.trained_on(name)) or "unknown tasks"
    rate = card.get("metrics", {}).get("validation/success")
    success = "" if rate is None else f"; found {rate:.0%} in validation"
    return f"trained on {trained}{success}"
