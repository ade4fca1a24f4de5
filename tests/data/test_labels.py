"""Labels of each task: what is refused, how data are cut, what the task learns of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgenas.data import from_arrays, load_dataset, save_arrays
from edgenas.data.storage import load_arrays
from edgenas.errors import DataError, UnknownNameError
from edgenas.task import Anomaly, Regression

RNG = np.random.default_rng(0)
X = RNG.random((120, 6)).astype(np.float32)
TARGET = (100 + 10 * X[:, 0]).astype(np.float64)
ODD = (np.arange(120) % 6 == 0).astype(int)


def test_float_labels_say_that_regression_is_meant() -> None:
    with pytest.raises(DataError, match=r"120 different values .* use --task regression"):
        from_arrays(X, TARGET)
    with pytest.raises(UnknownNameError, match="unknown task 'regresion'; did you mean 'regression'"):
        from_arrays(X, TARGET, task="regresion")


def test_targets_are_standardized_by_the_training_split_alone(tmp_path: Path) -> None:
    data = from_arrays(X, TARGET, task="regression", loss="huber")
    assert isinstance(data.task, Regression) and data.task.train_loss == "huber"
    assert data.train.y.shape == (72, 1) and data.train.y.dtype == np.float32
    assert data.task.scale[0] == pytest.approx(data.train.y.std(), rel=1e-5)
    scaled = data.task.targets(data.train.x, data.train.y)
    assert (scaled.mean(), scaled.std()) == pytest.approx((0, 1), abs=1e-5)
    assert data.task.restore(scaled) == pytest.approx(data.train.y, rel=1e-5)
    assert (data.outputs, data.classes) == (1, 0)
    save_arrays(data, tmp_path)
    assert load_arrays(tmp_path).task == data.task
    other = from_arrays(X, TARGET, task="regression")
    assert other.fingerprint != data.fingerprint  # trained otherwise


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.array(["a"] * 120), "targets of type"),
        (np.where(ODD == 1, np.nan, 1.0), "20 targets are NaN or infinite, the first at 0"),
        (TARGET[1:], "120 inputs but 119 targets"),
        (np.full(120, 3.0), "all 72 values of a target are the same|all .* values of a target are the same"),
    ],
)
def test_targets_that_cannot_be_learnt_are_refused(y: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_arrays(X, y, task="regression")


def test_classes_with_numbers_for_names_are_these_numbers(tmp_path: Path) -> None:
    table = tmp_path / "age.csv"
    rows = [f"{a:.6f},{b:.6f},{20 + position % 50}" for position, (a, b) in enumerate(X[:, :2])]
    table.write_text("\n".join(["width,weight,label", *rows]))
    data = load_dataset(table, task="regression")
    every = np.concatenate([split.y for split in data.splits.values()])
    assert sorted(set(every[:, 0])) == list(range(20, 70))
    with pytest.raises(DataError, match="names such as 'T-shirt/top'"):
        from_arrays(X, ODD, task="regression", class_names=["T-shirt/top", "Bag"])


def test_diabetes_is_a_regression_of_its_own() -> None:
    data = load_dataset("diabetes")
    assert isinstance(data.task, Regression) and data.task.names == ("progression",)
    assert sum(len(split) for split in data.splits.values()) == 442
    with pytest.raises(DataError, match="use --task regression"):
        load_dataset("diabetes", task="classification")


def test_anomalies_are_never_trained_on() -> None:
    data = from_arrays(X, ODD, task="anomaly")
    assert isinstance(data.task, Anomaly) and data.class_names == ("normal", "anomalous")
    assert data.train.y.sum() == 0 and data.outputs == 6
    assert (data.validation.y.sum(), data.test.y.sum()) == (10, 10)
    assert sum(len(split) for split in data.splits.values()) == 120
    again = from_arrays(X, ODD, task="anomaly")
    assert again.fingerprint == data.fingerprint


def test_classes_are_named_anomalous() -> None:
    y = np.arange(120) % 3
    data = from_arrays(X, y, anomalous=["2"])  # implies the task
    assert data.task.name == "anomaly" and len(data.train) + len(data.validation) + len(data.test) == 120
    assert data.validation.y.sum() + data.test.y.sum() == 40
    named = from_arrays(X, y, anomalous=["dent"], class_names=["good", "fine", "dent"])
    assert named.fingerprint == data.fingerprint
    with pytest.raises(DataError, match="'scratch' was given; expected one of good, fine, dent"):
        from_arrays(X, y, anomalous=["scratch"], class_names=["good", "fine", "dent"])
    with pytest.raises(DataError, match="labels up to 2 were given; expected 0 for normal and 1"):
        from_arrays(X, y, task="anomaly")
    with pytest.raises(DataError, match="with --task anomaly only"):
        from_arrays(X, y, task="classification", anomalous=["2"])


def test_given_splits_of_an_anomaly_detection_are_kept_and_checked() -> None:
    held = (X[:40] + 1, ODD[:40]), (X[40:80] + 2, ODD[40:80])
    data = from_arrays(X[80:], np.zeros(40, int), *held, task="anomaly")
    assert len(data.train) == 40 and data.test.y.sum() == ODD[40:80].sum()
    with pytest.raises(DataError, match="6 training inputs are anomalous"):
        from_arrays(X[80:], ODD[80:], *held, task="anomaly")
    with pytest.raises(DataError, match="validation: there are no anomalous inputs"):
        from_arrays(X[:80], np.zeros(80, int), None, held[1], task="anomaly")
    with pytest.raises(DataError, match="all training data are anomalous"):
        from_arrays(X, np.ones(120, int), task="anomaly")
