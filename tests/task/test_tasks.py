"""Every task keeps the contract; figures agree with scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error

from edgenas.errors import ConfigError, UnknownNameError
from edgenas.task import TASKS, Anomaly, Classification, Regression, Task, epoch_error, error_words, task_from
from edgenas.task.anomaly import area_under_curve
from edgenas.testing.tasks import TaskContract

Example = tuple[np.ndarray, np.ndarray, np.ndarray]


class TestClassification(TaskContract):
    def make(self) -> Task:
        return Classification()

    def example(self, rng: np.random.Generator) -> Example:
        y = rng.integers(0, 4, 200)
        return np.eye(4, dtype=np.float32)[y], rng.random((200, 6)), y


class TestRegression(TaskContract):
    def make(self) -> Task:
        return Regression(scale=(40.0,), offset=(150.0,), names=("progression",), train_loss="huber")

    def example(self, rng: np.random.Generator) -> Example:
        y = rng.normal(150, 40, (200, 1)).astype(np.float32)
        return self.make().targets(y, y), rng.random((200, 6)), y


class TestSeveralTargets(TestRegression):
    def make(self) -> Task:
        return Regression(scale=(40.0, 0.1), offset=(150.0, 2.0), names=("far", "near"))

    def example(self, rng: np.random.Generator) -> Example:
        y = rng.normal((150, 2), (40, 0.1), (200, 2)).astype(np.float32)
        return self.make().targets(y, y), rng.random((200, 6)), y


class TestAnomaly(TaskContract):
    def make(self) -> Task:
        return Anomaly(quantile=0.95)

    def example(self, rng: np.random.Generator) -> Example:
        """Normal inputs are reconstructed, anomalous ones are not."""
        x = rng.random((200, 4, 4, 1)).astype(np.float32)
        y = (np.arange(200) % 4 == 0).astype(np.int64)
        return x + y[:, None, None, None], x, y


def test_every_registered_task_is_tested() -> None:
    tested = {case().make().name for case in (TestClassification, TestRegression, TestAnomaly)}
    assert tested == set(TASKS.names())


def test_regression_figures_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    y, guess = rng.normal(150, 40, (90, 1)), rng.normal(150, 40, (90, 1))
    task = Regression((40.0,), (150.0,))
    found = task.figures(task.targets(guess, guess), guess, y)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(y, guess), rel=1e-5)
    assert found["mae"] == pytest.approx(mean_absolute_error(y, guess), rel=1e-5)
    assert found["r2"] == pytest.approx(r2_score(y, guess), rel=1e-4)
    assert task.error(found) == pytest.approx(math.sqrt(1 - r2_score(y, guess)), rel=1e-4)
    mean = np.full((90, 1), (y.mean() - 150) / 40)
    assert task.error(task.figures(mean, y, y)) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_area_under_the_curve_is_scikit_learns_ties_included(pairs: list[tuple[int, bool]]) -> None:
    scores, positive = (np.array(column) for column in zip(*pairs, strict=True))
    found = area_under_curve(scores.astype(float), positive)
    if positive.all() or not positive.any():
        assert math.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(positive, scores))


def test_a_threshold_leaves_its_share_of_normal_inputs_below() -> None:
    scores = np.random.default_rng(0).random(1000)
    threshold = Anomaly(quantile=0.9).threshold(scores)
    assert np.mean(scores > threshold) == pytest.approx(0.1)


def test_what_is_no_task_is_refused() -> None:
    assert task_from(None) == Classification()
    with pytest.raises(UnknownNameError, match="did you mean 'regression'"):
        task_from({"name": "regresion"})
    with pytest.raises(ConfigError, match="damaged task"):
        task_from({"name": "anomaly"})
    with pytest.raises(UnknownNameError, match="unknown loss 'mae'"):
        Regression(train_loss="mae")
    with pytest.raises(ConfigError, match="one positive scale"):
        Regression(scale=(0.0,))
    with pytest.raises(ConfigError, match=r"quantile 1\.5"):
        Anomaly(quantile=1.5)


def test_errors_of_old_and_new_trainings_are_read() -> None:
    assert epoch_error({"val_accuracy": 0.75}) == 0.25
    assert epoch_error({"val_error": 0.4, "val_loss": 1.0}) == 0.4
    assert epoch_error({"loss": 1.0}) is None
    assert error_words({"val_accuracy": 0.75}) == "error 25.00 %"
    assert (
        error_words({"val_accuracy": None, "val_error": 1.2, "metrics": {"r2": -0.44}})
        == "relative RMSE 1.200"
    )
    assert error_words({"val_error": 0.06, "metrics": {"auc": 0.94}}) == "1 - AUC 0.060"
