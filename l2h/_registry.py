"""Things by name, and makers that are given what they ask for."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Thing = TypeVar("Thing")


class Registry(dict[str, Thing]):
    """Things by name, in the order in which they were registered; yours may join them.

    Arguments:
        kind: what the things are, for messages.
        things: those that come with the library; they cannot be replaced.
    """

    def __init__(self, kind: str, things: Mapping[str, Thing]) -> None:
        super().__init__(things)
        self.kind, self.ours = kind, frozenset(things)

    def register(self, name: str, thing: Thing) -> None:
        """Add a thing, or replace one that was registered before.

        Raises:
            ValueError: if the name is none, or taken by the library.
        """
        if not isinstance(name, str) or not name.strip() or "," in name:
            raise ValueError(
                f"{self.kind}: {name!r} is no name; give a string without commas."
            )
        if name in self.ours:
            raise ValueError(
                f"{self.kind}: {name!r} is taken by the library; choose another name."
            )
        self[name] = thing

    def __missing__(self, name: str) -> Thing:
        raise ValueError(
            f"{self.kind}: {name!r} is unknown; choose from {', '.join(self)}."
        )


def listed(argument: str, text: str) -> list[str]:
    """Return the names that a text joins by commas, without blanks around them.

    Arguments:
        argument: what the text was given for, for messages.
        text: as users write it.

    Raises:
        ValueError: if a name is missing, or stands there twice.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(f"{argument}: {text!r} lacks a name; join names by commas.")
    if len(set(names)) < len(names):
        raise ValueError(f"{argument}: {text!r} names one twice; name each once.")
    return names


def make(maker: Callable[..., Thing], offered: Mapping[str, Any]) -> Thing:
    """Call a maker with those of the offered arguments that it has parameters for.

    Raises:
        ValueError: if it needs others besides.
    """
    wanted = inspect.signature(maker).parameters
    given = {name: value for name, value in offered.items() if name in wanted}
    needed = [
        name
        for name, parameter in wanted.items()
        if name not in given
        and parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        among = f", or parameters among {', '.join(offered)}" if offered else ""
        raise ValueError(
            f"{getattr(maker, '__name__', maker)}: needs {', '.join(needed)}; give "
            f"defaults{among}."
        )
    return maker(**given)
