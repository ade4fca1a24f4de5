"""Tables with a label column."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenas.data import Dataset, Reading, load_dataset
from edgenas.data.csv_file import labels_of, read_csv
from edgenas.errors import DataError

HEAD = "length,width,label"


def rows(number: int = 30) -> list[str]:
    """Rows of two features and a class."""
    rng = np.random.default_rng(0)
    return [
        f"{a:.4f},{b:.4f},{'oak' if at % 3 else 'elm'}" for at, (a, b) in enumerate(rng.random((number, 2)))
    ]


def table(folder: Path, *lines: str) -> Path:
    """A file of lines."""
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return folder / "t.csv"


def test_a_table_becomes_rows_of_features(tmp_path: Path) -> None:
    data = load_dataset(table(tmp_path, HEAD, *rows()))
    assert (data.kind, data.input_shape, data.class_names) == ("features", (2,), ("elm", "oak"))
    assert data.columns == ("length", "width")
    assert [len(split) for split in data.splits.values()] == [18, 6, 6]
    assert data.warnings == ("labels are taken from column 'label', by its name; --label names another",)
    inputs = data.normalization.apply(data.train.x)
    assert np.allclose(inputs.mean(axis=0), 0, atol=1e-5) and np.allclose(inputs.std(axis=0), 1, atol=1e-5)


def same(first: Dataset, second: Dataset) -> bool:
    return first.fingerprint == second.fingerprint


def test_delimiters_quotes_and_spaces_do_not_matter(tmp_path: Path) -> None:
    plain = load_dataset(table(tmp_path, HEAD, *rows()))
    for mark in (";", "\t", ", "):
        lines = [line.replace(",", mark) for line in (HEAD, *rows())]
        assert same(plain, load_dataset(table(tmp_path, *lines)))
    quoted = ['"' + line.replace(",", '","') + '"' for line in (HEAD, *rows())]
    assert same(plain, load_dataset(table(tmp_path, "\ufeff" + quoted[0], *quoted[1:], "")))


def test_without_a_header_the_last_column_is_the_label(tmp_path: Path) -> None:
    data = load_dataset(table(tmp_path, *rows()))
    assert same(data, load_dataset(table(tmp_path, HEAD, *rows())))
    assert "from column 'column 3', as the last one" in data.warnings[0]


def test_the_label_column_may_be_any(tmp_path: Path) -> None:
    lines = [",".join(reversed(line.split(","))) for line in rows()]
    path = table(tmp_path, "kind of tree,width,length", *lines)
    data = load_dataset(path, reading=Reading(label="kind of tree"))
    assert data.class_names == ("elm", "oak") and data.columns == ("width", "length") and data.warnings == ()
    with pytest.raises(
        DataError, match="label column 'tree' was given; expected one of kind of tree, width, length"
    ):
        load_dataset(path, reading=Reading(label="tree"))


def test_a_split_column_is_kept(tmp_path: Path) -> None:
    words = ["train"] * 20 + ["val"] * 5 + ["test"] * 5
    lines = [f"{word},{line}" for word, line in zip(words, rows(), strict=True)]
    data = load_dataset(table(tmp_path, f"split,{HEAD}", *lines))
    assert [len(split) for split in data.splits.values()] == [20, 5, 5] and data.input_shape == (2,)
    with pytest.raises(DataError, match="line 2: split 'learn' was given"):
        load_dataset(table(tmp_path, f"split,{HEAD}", lines[0].replace("train", "learn"), *lines[1:]))


def test_missing_values_are_named_or_dropped(tmp_path: Path) -> None:
    path = table(tmp_path, HEAD, "1,?,oak", *rows(), ",2,elm", "3,4,")
    with pytest.raises(DataError, match=r"missing in 3 of 33 rows, lines 2, 33, 34; .*--missing drop"):
        load_dataset(path)
    data = load_dataset(path, reading=Reading(missing="drop"))
    assert data.warnings[-1] == "3 of 33 rows were dropped as values are missing in them, lines 2, 33, 34"
    assert same(data, load_dataset(table(tmp_path, HEAD, *rows())))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        ([HEAD], "its columns have no rows"),
        (["a,a,label", "1,2,x"], "the same name twice"),
        ([HEAD, "1,2"], "line 2 has 2 cells; expected rows of 3"),
        ([HEAD, "1,red,oak", "2,3,elm"], "line 2, column 'width': 'red' is no number"),
        ([HEAD, *[line.replace("elm", "oak") for line in rows()]], "all rows have one class"),
        (["label", "x", "y"], "no column beside the label"),
        ([HEAD, *rows(), "inf,1,oak"], "1 rows hold NaN or infinity"),
        (["1,2,0.5", "3,4,0.25", "5,6,1.5"], "labels of type float32 were given"),
    ],
)
def test_faults_are_one_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(table(tmp_path, *lines))
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,\xff\n")
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(tmp_path / "t.csv")


def test_a_feature_that_never_changes_is_reported(tmp_path: Path) -> None:
    data = load_dataset(table(tmp_path, f"still,{HEAD}", *[f"7,{line}" for line in rows()]))
    assert data.warnings[-1] == "1 features never change in train and teach nothing (first: 'still')"
    assert np.allclose(data.normalization.apply(data.train.x)[:, 0], 0)


finite = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(finite, finite, st.sampled_from(["a", "b c", 'd"e', "f,g"])), min_size=1, max_size=20)
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, cells: list) -> None:
    path = tmp_path_factory.mktemp("csv") / "any.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("x", "y", "class"), *cells])
    x, y = (source := read_csv(path, Reading())).train
    assert np.array_equal(x, np.array([row[:2] for row in cells], np.float32))
    assert source.class_names is not None
    assert [source.class_names[label] for label in y] == [row[2] for row in cells]


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30))
def test_whole_numbers_are_classes_in_their_order(numbers: list[int]) -> None:
    y, names = labels_of([str(number) for number in numbers])
    assert names == tuple(str(number) for number in sorted(set(numbers)))
    assert [int(names[label]) for label in y] == numbers


def test_labels_may_stay_numbers_for_a_regression(tmp_path: Path) -> None:
    path = table(tmp_path, "size,price", "1,30", "2,10", "3,20")
    y = read_csv(path, Reading(numeric_labels=True)).train[1]
    assert y.dtype == np.float32 and y.tolist() == [30, 10, 20]
    assert read_csv(path, Reading()).train[1].tolist() == [2, 0, 1]
    with pytest.raises(DataError, match="line 2, column 'label': 'oak' is no number"):
        read_csv(table(tmp_path, HEAD, "1,2,oak"), Reading(numeric_labels=True))
