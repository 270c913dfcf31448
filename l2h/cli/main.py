"""The command `l2h`: one word says which program, the rest is the program's."""

import importlib
import importlib.util
import sys
from functools import partial
from typing import NamedTuple

from .._version import __version__
from .cache import keep_compiled
from .launch import KEPT, command, outlive, several


class Command(NamedTuple):
    """A program and what is said of it; nothing of it is imported before it is called."""

    module: str
    summary: str
    kept: str = KEPT


# What programs import; the library itself does without.
PACKAGES = ("tyro", "ase", "matplotlib", "rich")

COMMANDS = {
    "search": Command(
        "l2h.cli.search",
        "find the structures of lowest energy: l2h search Au38",
        "add --resume to go on from here",
    ),
    "relax": Command(
        "l2h.cli.relax",
        "relax a structure from a file: l2h relax start.xyz",
        "the file is unchanged",
    ),
    "train": Command("l2h.cli.train", "train a learned optimizer: l2h train lj13"),
    "evaluate": Command(
        "l2h.cli.evaluate", "compare optimizers on the same starts: l2h evaluate lj13"
    ),
    "tune": Command("l2h.cli.tune", "find the baselines' best settings: l2h tune lj13"),
    "strategies": Command("l2h.cli.strategies", "compare ways to train: l2h strategies"),
    "weights": Command(
        "l2h.cli.weights", "trained optimizers: l2h weights list|show|verify"
    ),
    "report": Command(
        "l2h.cli.report", "write a search's files and page again: l2h report DIR"
    ),
    "tasks": Command("l2h.cli.tasks", "what can be searched, by name"),
}


def main(arguments: list[str] | None = None) -> None:
    """Run the program that the command line names; end the process in words.

    Arguments:
        arguments: of the command line; those of this process by default.
    """
    given = sys.argv[1:] if arguments is None else arguments
    name = given[0] if given else "--help"
    if name in ("-h", "--help"):
        print(help_text())
        return
    if name == "--version":
        print(f"l2h {__version__}")
        return
    if name not in COMMANDS:
        print(
            f"error: l2h knows no command {name!r}; choose from {', '.join(COMMANDS)}.",
            file=sys.stderr,
        )
        sys.exit(2)
    if missing := [p for p in PACKAGES if importlib.util.find_spec(p) is None]:
        print(
            f"error: commands need {' and '.join(missing)}; python -m pip install "
            "'l2h[run]' brings all of it along.",
            file=sys.stderr,
        )
        sys.exit(2)
    keep_compiled()
    chosen = COMMANDS[name]
    # What programs read, and what they print of themselves.
    sys.argv = [f"l2h {name}", *given[1:]]
    program = importlib.import_module(chosen.module).main
    if name == "train" and several(given[1:]):
        outlive(partial(command, program, chosen.kept))
    else:
        command(program, chosen.kept)


def help_text() -> str:
    """Return the list of commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what.summary}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: l2h COMMAND ...",
            "",
            "Find the lowest-energy structures of atoms, and train optimizers that do.",
            "",
            *lines,
            "",
            "l2h COMMAND --help says more.",
        ]
    )
