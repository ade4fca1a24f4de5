"""Labels of each task: what they must be, and how a data set is cut where it brings no splits.

Classification asks for whole numbers from 0, regression for finite numbers, anomaly detection for 0
(normal) and 1 (anomalous). A data set never trains on anomalies: those among its training data are
held out for validation and test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgenas.data.checks import check_classes, check_labels
from edgenas.data.dataset import Source, Split
from edgenas.data.disk import Array
from edgenas.data.kinds import Kind
from edgenas.data.split import Cut, cut
from edgenas.errors import DataError
from edgenas.registry import Registry
from edgenas.task import CLASSIFICATION, Anomaly, Regression, Task
from edgenas.task.anomaly import NORMAL

FEW_VALUES = 20
"""Float labels with more different values than this are taken for numbers to be predicted."""

CONSTANT = 1e-9
"""Targets that spread by less than this share of their size are taken for constant."""


class Labels(ABC):
    """What a task asks of labels.

    Args:
        source: The data as read.
        kind: What the examples are.
        loss: What the training of a regression minimizes, or None.
    """

    def __init__(self, source: Source, kind: Kind, loss: str | None = None) -> None:
        self.source = source
        self.kind = kind
        self.loss = loss

    @abstractmethod
    def read(self, where: str, y: Array, count: int) -> Array:
        """Labels in the type and shape that a `Split` has.

        Raises:
            DataError: They are not what the task expects.
        """

    @abstractmethod
    def check(self, splits: dict[str, Array]) -> tuple[str, ...]:
        """Check the labels of the splits as given, ``train`` among them; the names of the classes."""

    def cut(self, y: Array, *, has_validation: bool, has_test: bool, seed: int) -> Cut:
        """Cut what the data do not bring from training labels as given, at random."""
        everything = np.zeros(len(y), np.int64)
        return cut(everything, has_validation=has_validation, has_test=has_test, seed=seed)

    @abstractmethod
    def task(self, splits: dict[str, Split]) -> Task:
        """The task with what it needs to know of the data, from the splits at the end.

        Raises:
            DataError: A split from which nothing can be learnt or told.
        """


LABELS: Registry[type[Labels]] = Registry("task")
"""Labels by the name of their task."""


@LABELS.register("classification")
class ClassLabels(Labels):
    """Whole numbers from 0; splits are stratified."""

    def read(self, where: str, y: Array, count: int) -> Array:
        """int64 of shape (n,)."""
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.dtype.kind == "f" and len(np.unique(y)) > FEW_VALUES:
            raise DataError(
                f"{where}: labels of type {y.dtype} with {len(np.unique(y)):,} different values were given; "
                "expected integers from 0, one a class: for numbers to be predicted use --task regression "
                "(task='regression' from Python)"
            )
        check_labels(where, y, count, self.kind)
        return np.asarray(y, np.int64)

    def check(self, splits: dict[str, Array]) -> tuple[str, ...]:
        """Two classes or more, each with training data."""
        classes = int(splits["train"].max()) + 1
        names = self.source.class_names or tuple(str(label) for label in range(classes))
        check_classes(self.source.name, names, splits, self.kind)
        return names

    def cut(self, y: Array, *, has_validation: bool, has_test: bool, seed: int) -> Cut:
        """Every class gets its share."""
        return cut(y, has_validation=has_validation, has_test=has_test, seed=seed)

    def task(self, splits: dict[str, Split]) -> Task:
        """Nothing needs to be known."""
        return CLASSIFICATION


@LABELS.register("regression")
class Targets(Labels):
    """Finite numbers, one or several for each input; splits are random."""

    def read(self, where: str, y: Array, count: int) -> Array:
        """float32 of shape (n, k); classes whose names are numbers stand for these numbers."""
        y = self._numbers(where, y)
        if y.dtype.kind not in "uif" or y.ndim not in (1, 2) or 0 in y.shape:
            raise DataError(
                f"{where}: targets of type {y.dtype} and shape {y.shape} were given; expected numbers "
                "of shape "
                "(n,) or (n, targets) for regression"
            )
        if len(y) != count:
            raise DataError(f"{where}: {count} inputs but {len(y)} targets were given; expected one for each")
        with np.errstate(over="ignore"):
            targets = y.reshape(len(y), -1).astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(targets).all(axis=1))
        if len(bad):
            raise DataError(
                f"{where}: {len(bad)} targets are NaN or infinite, the first at {bad[0]}; expected finite "
                "numbers: mend or remove them"
            )
        return targets

    def _numbers(self, where: str, y: Array) -> Array:
        """Labels that a reader made classes of, such as the whole numbers in a table, as numbers again."""
        names = self.source.class_names or ()
        if len(names) < 2 or y.dtype.kind not in "ui":
            return y
        try:
            values = np.array([float(name) for name in names])
        except ValueError:
            raise DataError(
                f"{where}: labels with names such as '{names[0]}' were given; expected numbers for regression"
            ) from None
        return np.asarray(values[y]) if y.size and y.min() >= 0 and y.max() < len(values) else y

    def check(self, splits: dict[str, Array]) -> tuple[str, ...]:
        """The same number of targets everywhere; there are no classes."""
        widths = {part: y.shape[1] for part, y in splits.items()}
        if len(set(widths.values())) > 1:
            raise DataError(
                f"data '{self.source.name}': targets an input were {widths}; expected the same number"
            )
        return ()

    def task(self, splits: dict[str, Split]) -> Task:
        """Mean and standard deviation of the training targets."""
        for part, split in splits.items():
            spread, size = split.y.std(axis=0, dtype=np.float64), np.abs(split.y).max(axis=0)
            if (spread <= CONSTANT * np.maximum(size, 1e-30)).any():
                raise DataError(
                    f"data '{self.source.name}', {part}: all {len(split.y)} values of a target are the same; "
                    "expected targets that differ"
                )
        y = np.asarray(splits["train"].y, np.float64)
        several = tuple(f"target{position}" for position in range(y.shape[1]))
        given = self.source.class_names or ()  # of classes, where data for classification are used
        several = tuple(f"target{position}" for position in range(y.shape[1]))
        names = given if len(given) == y.shape[1] else ("target",) if y.shape[1] == 1 else several
        return Regression(
            scale=tuple(float(value) for value in y.std(axis=0)),
            offset=tuple(float(value) for value in y.mean(axis=0)),
            names=names,
            train_loss=self.loss or "mse",
        )


@LABELS.register("anomaly")
class AnomalyLabels(Labels):
    """0 for normal, 1 for anomalous; anomalies are cut out of train and held out."""

    def read(self, where: str, y: Array, count: int) -> Array:
        """int64 of shape (n,), with the classes that the source calls anomalous as 1."""
        labels = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        check_labels(where, labels, count, self.kind)
        if self.source.anomalous:
            return np.isin(labels, [self._number(where, name) for name in self.source.anomalous]).astype(
                np.int64
            )
        if labels.max() > 1:
            raise DataError(
                f"{where}: labels up to {labels.max()} were given; expected 0 for normal and 1 for "
                "anomalous, or "
                "the classes that are anomalous: --anomalous NAME,NAME (anomalous=(...) from Python)"
            )
        return np.asarray(labels, np.int64)

    def _number(self, where: str, name: str) -> int:
        """The label of a class by its name, or by its number where classes have none."""
        names = self.source.class_names
        if names is not None and name in names:
            return names.index(name)
        if names is None and name.isdigit():
            return int(name)
        known = f"one of {', '.join(names)}" if names else "the number of a class"
        raise DataError(f"{where}: anomalous class '{name}' was given; expected {known}")

    def check(self, splits: dict[str, Array]) -> tuple[str, ...]:
        """Normal training data, and anomalies to tell them from."""
        name, train = self.source.name, splits["train"]
        if train.min() == 1:
            raise DataError(f"data '{name}': all training data are anomalous; expected normal ones, label 0")
        if train.max() == 1 and {"validation", "test"} <= splits.keys():
            raise DataError(
                f"data '{name}': {int(train.sum())} training inputs are anomalous, and the data bring "
                "a validation "
                "and a test set; expected only normal ones in train: remove those, or leave a set out, "
                "and they are held out there"
            )
        return NORMAL

    def cut(self, y: Array, *, has_validation: bool, has_test: bool, seed: int) -> Cut:
        """Normal inputs at random; anomalous ones to the sets that are cut, half and half."""
        normal, anomalous = np.flatnonzero(y == 0), np.flatnonzero(y != 0)
        pieces = super().cut(normal, has_validation=has_validation, has_test=has_test, seed=seed)
        anomalous = np.random.default_rng([seed, 2]).permutation(anomalous)
        to_test = len(anomalous) if has_validation else 0 if has_test else (len(anomalous) + 1) // 2
        return Cut(
            normal[pieces.train],
            np.sort(np.concatenate([normal[pieces.validation], anomalous[to_test:]])),
            np.sort(np.concatenate([normal[pieces.test], anomalous[:to_test]])),
        )

    def task(self, splits: dict[str, Split]) -> Task:
        """Both kinds must stand in validation and test."""
        for part in ("validation", "test"):
            kinds = set(np.unique(splits[part].y).tolist())
            if kinds != {0, 1}:
                lacking = "anomalous" if 1 not in kinds else "normal"
                raise DataError(
                    f"data '{self.source.name}', {part}: there are no {lacking} inputs, so nothing "
                    "can be told "
                    f"apart; give some (without a {part} set of your own, it is cut from all inputs given)"
                )
        return Anomaly()


def with_task(source: Source, task: str | None, anomalous: Sequence[str], loss: str | None = None) -> Source:
    """A source with the task that the user named; its own where none was named.

    Raises:
        UnknownNameError: There is no such task.
        DataError: Anomalous classes or a loss for another task.
    """
    name = task or source.task or ("anomaly" if anomalous else CLASSIFICATION.name)
    if anomalous and name != "anomaly":
        raise DataError(
            f"anomalous classes ({', '.join(anomalous)}) were given with task '{name}'; expected them with "
            "--task anomaly only"
        )
    if loss and name != "regression":
        raise DataError(
            f"loss '{loss}' was given with task '{name}'; expected it with --task regression only"
        )
    LABELS.get(name)  # refuses an unknown one
    return replace(source, task=name, anomalous=tuple(anomalous))
