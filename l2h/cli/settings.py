"""Every field of a dataclass of settings as a flag."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict, get_type_hints

import tyro

from ..training.settings import documented


def flags(settings: type, without: Sequence[str] = (), varying: Sequence[str] = ()) -> Any:
    """Return a type of which tyro makes one flag for each field of a dataclass.

    It is a dictionary of what was given, and nothing else, so that whoever knows better
    defaults may fill in the rest.

    Arguments:
        settings: a dataclass whose fields are described below each.
        without: fields that are no flags.
        varying: fields whose defaults depend on the tasks.
    """
    texts, hints = documented(settings), get_type_hints(settings)
    kinds = {}
    for field in dataclasses.fields(settings):
        if field.name not in without:
            shown = _plain("none" if field.default is None else field.default)
            if field.name in varying:
                shown += "; it depends on the tasks"
            text = f"{' '.join(texts[field.name].split())} Usually {shown}."
            kinds[field.name] = Annotated[
                hints[field.name], tyro.conf.arg(help=text, help_behavior_hint="")
            ]
    return TypedDict("Settings", kinds, total=False)  # type: ignore[operator]


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)
