"""A ``.csv`` file: one row an example, one column the label, all others numbers.

The delimiter (comma, semicolon or tab) and the header are told from the file. Columns are the
features in their order. A column named ``split`` with ``train``, ``validation`` (or ``val``) and
``test`` says which split a row is in. Series in long format, one row a time step, are not read: bring
those as an ``.npz`` file with ``kind`` series.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgenas.data.dataset import Source
from edgenas.data.disk import Array
from edgenas.data.kinds import FEATURES
from edgenas.data.reading import Reading
from edgenas.errors import DataError

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""Cells without a value, lower case."""

LABEL_NAMES = ("label", "class", "target")
SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
LARGEST_CLASS = 2.0**53
"""Whole numbers below it are exact as floats, and names of classes."""

SHOWN = 20
"""Most lines that a message names."""


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a file.

    Attributes:
        path: The file, for messages.
        columns: Names of the columns; ``column 1`` and so on where there is no header.
        has_header: Whether the first line named them.
        rows: Cells of each row, without spaces around them.
        lines: Line of the file that each row ends on, from 1.
    """

    path: Path
    columns: tuple[str, ...]
    has_header: bool
    rows: list[list[str]]
    lines: list[int]


def read_csv(path: Path, reading: Reading) -> Source:
    """Rows of features with labels.

    Args:
        path: The file, UTF-8.
        reading: Its ``label``, ``numeric_labels`` and ``missing`` count here.

    Raises:
        DataError: The file is missing or no table, the label column does not exist, a feature is no
            number, or values are missing (lines named) and rows are not to be dropped.
    """
    table = _read(path)
    label, said = _label_column(table, reading.label)
    table, dropped = _complete(table, reading.missing == "drop")
    split = _split_column(table, label)
    features = [at for at in range(len(table.columns)) if at not in (label, split)]
    if not features:
        raise DataError(f"data '{path}' has no column beside the label; expected at least one feature")
    x = _numbers(table, features)
    y, names = (
        _targets(table, label) if reading.numeric_labels else labels_of([row[label] for row in table.rows])
    )
    parts = _parts(table, split)
    pairs = {part: (x[rows], y[rows]) for part, rows in parts.items()}
    return Source(
        path.stem, pairs["train"], pairs.get("validation"), pairs.get("test"), names,
        warnings=(*said, *dropped), kind=FEATURES.name, columns=tuple(table.columns[at] for at in features),
    )  # fmt: skip


def _targets(table: Table, label: int) -> tuple[Array, None]:
    """Labels as the numbers that they are, float32 of shape (rows,); they have no names."""
    return _numbers(table, [label])[:, 0], None


def labels_of(cells: list[str]) -> tuple[Array, tuple[str, ...] | None]:
    """Labels as numbers, and the names of their classes in that order.

    Whole numbers are sorted by value and all else as text. Numbers with a fraction stay as they are,
    without names: they are no classes.
    """
    numbers = [as_number(cell) for cell in cells]
    if any(number is None for number in numbers):
        names, y = np.unique(np.array(cells), return_inverse=True)
        return y.astype(np.int64), tuple(map(str, names))
    values = np.array(numbers, np.float64)
    if not (np.abs(values) < LARGEST_CLASS).all() or (values != np.rint(values)).any():
        with np.errstate(over="ignore"):
            return values.astype(np.float32), None
    whole, y = np.unique(values.astype(np.int64), return_inverse=True)
    return y.astype(np.int64), tuple(map(str, whole))


def as_number(cell: str) -> float | None:
    """The number in a cell, or None."""
    try:
        return float(cell)
    except ValueError:
        return None


def _read(path: Path) -> Table:
    if not path.is_file():
        raise DataError(f"data '{path}': there is no such file; check the path")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
            found = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"data '{path}' cannot be read ({error}); expected a .csv file in UTF-8") from error
    found = [(line, row) for line, row in found if any(row)]
    if not found:
        raise DataError(f"data '{path}' is empty; expected a row for each example")
    head = found[0][1]
    has_header = all(as_number(cell) is None and cell.lower() not in MISSING for cell in head)
    columns = tuple(head) if has_header else tuple(f"column {at + 1}" for at in range(len(head)))
    found = found[1:] if has_header else found
    odd = next(((line, row) for line, row in found if len(row) != len(columns)), None)
    if odd or not found or len(set(columns)) < len(columns):
        why = (
            f"line {odd[0]} has {len(odd[1])} cells"
            if odd
            else "its columns have no rows, or the same name twice"
        )
        raise DataError(f"data '{path}': {why}; expected rows of {len(columns)} cells as in its first line")
    return Table(path, columns, has_header, [row for _, row in found], [line for line, _ in found])


def _label_column(table: Table, asked: str | None) -> tuple[int, list[str]]:
    """Position of the label, and a line that says which column was taken where none was asked for."""
    names = list(table.columns)
    if asked is not None:
        if asked not in names:
            known = ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")
            raise DataError(f"data '{table.path}': label column '{asked}' was given; expected one of {known}")
        return names.index(asked), []
    usual = [at for at, name in enumerate(names) if table.has_header and name.lower() in LABEL_NAMES]
    rest = [at for at, name in enumerate(names) if name.lower() != "split"]
    chosen = usual[0] if usual else rest[-1]
    why = "by its name" if usual else "as the last one"
    return chosen, [f"labels are taken from column '{names[chosen]}', {why}; --label names another"]


def _complete(table: Table, drop: bool) -> tuple[Table, list[str]]:
    """The rows in which nothing is missing, and a line about those that were dropped."""
    whole = [not any(cell.lower() in MISSING for cell in row) for row in table.rows]
    if all(whole):
        return table, []
    lines = [line for line, fine in zip(table.lines, whole, strict=True) if not fine]
    named = ", ".join(map(str, lines[:SHOWN])) + (" ..." if len(lines) > SHOWN else "")
    if not drop or not any(whole):
        raise DataError(
            f"data '{table.path}': values are missing in {len(lines)} of {len(whole)} rows, lines {named}; "
            "fill them in, or leave those rows out with --missing drop"
        )
    rows = [row for row, fine in zip(table.rows, whole, strict=True) if fine]
    kept = [line for line, fine in zip(table.lines, whole, strict=True) if fine]
    warning = f"{len(lines)} of {len(whole)} rows were dropped as values are missing in them, lines {named}"
    return Table(table.path, table.columns, table.has_header, rows, kept), [warning]


def _split_column(table: Table, label: int) -> int | None:
    found = [at for at, name in enumerate(table.columns) if name.lower() == "split" and at != label]
    return found[0] if found else None


def _numbers(table: Table, features: list[int]) -> Array:
    """The features, float32 of shape (rows, features)."""
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold is found with what is not finite
            return np.array([[float(row[at]) for at in features] for row in table.rows], np.float32)
    except ValueError:
        line, at, cell = next(
            (line, at, row[at])
            for line, row in zip(table.lines, table.rows, strict=True)
            for at in features
            if as_number(row[at]) is None
        )
        raise DataError(
            f"data '{table.path}', line {line}, column '{table.columns[at]}': '{cell}' is no number; "
            "expected a number here: of a category, make a column of 0 and 1 for each of its values"
        ) from None


def _parts(table: Table, split: int | None) -> dict[str, Array]:
    """Rows of each split, int64."""
    if split is None:
        return {"train": np.arange(len(table.rows))}
    words = [row[split].lower() for row in table.rows]
    for line, word in zip(table.lines, words, strict=True):
        if word not in SPLITS:
            raise DataError(
                f"data '{table.path}', line {line}: split '{word}' was given; "
                "expected train, validation or test"
            )
    sides = np.array([SPLITS[word] for word in words])
    parts = {part: np.flatnonzero(sides == part) for part in ("train", "validation", "test")}
    if not len(parts["train"]):
        raise DataError(f"data '{table.path}': no row has split train; expected most of them to")
    return {part: rows for part, rows in parts.items() if len(rows)}
