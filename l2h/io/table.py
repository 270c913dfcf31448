"""Tables that grow row by row, and that an interrupted program goes on with."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .atomic import write_atomically


class Table:
    """Rows of named columns in a file of comma-separated values, each written at once.

    What is there already is read first, so that a program may ask what is done. A last
    line without an end, which a kill leaves behind, is dropped.

    Arguments:
        path: of the file, which is begun if there is none; folders are made.
        columns: names, in their order in the file.

    Raises:
        ValueError: if the file has other columns, or a damaged row before its last line.
        OSError: if it cannot be read or written.
    """

    rows: list[dict[str, str]]
    """All rows, old and new: cells are strings, as in the file."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, tuple(columns)
        path.parent.mkdir(parents=True, exist_ok=True)
        there = path.read_bytes() if path.exists() else b""
        whole = there[: there.rfind(b"\n") + 1] or _line(self.columns).encode()
        self.rows = self._parsed(whole.decode())
        if whole != there:
            write_atomically(path, whole)

    def where(self, **cells: Any) -> list[dict[str, str]]:
        """Return the rows that have these values in these columns.

        Raises:
            ValueError: if there is no such column.
        """
        self._require(cells)
        wanted = {name: str(value) for name, value in cells.items()}
        return [row for row in self.rows if wanted.items() <= row.items()]

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row, at the end of the file and here.

        Arguments:
            row: a value for each column.

        Raises:
            ValueError: if a column is missing or unknown, or a value has several lines.
            OSError: if the file cannot be written.
        """
        self._require(row)
        if missing := [name for name in self.columns if name not in row]:
            raise ValueError(f"row: no {', '.join(missing)}; give all columns.")
        cells = {name: str(row[name]) for name in self.columns}
        for name, cell in cells.items():
            if len(cell.splitlines()) > 1:
                raise ValueError(f"{name}: {cell!r} given; a cell is one line of text.")
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(_line(tuple(cells.values())))
        self.rows.append(cells)

    def _require(self, cells: Mapping[str, Any]) -> None:
        if unknown := [name for name in cells if name not in self.columns]:
            raise ValueError(
                f"{', '.join(unknown)}: no column of {self.path}; choose from "
                f"{', '.join(self.columns)}."
            )

    def _parsed(self, whole: str) -> list[dict[str, str]]:
        """Return the rows of a file of whole lines."""
        header, *lines = csv.reader(whole.splitlines())
        if tuple(header) != self.columns:
            raise ValueError(
                f"{self.path}: columns {', '.join(header)} found, not "
                f"{', '.join(self.columns)}; choose another file."
            )
        for number, cells in enumerate(lines, start=2):
            if len(cells) != len(self.columns):
                raise ValueError(
                    f"{self.path}: line {number} is damaged; put back the whole file, or "
                    "take the line out."
                )
        return [dict(zip(self.columns, cells, strict=True)) for cells in lines]


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
