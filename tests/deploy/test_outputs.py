"""The contract of outputs over every registered task."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.deploy.outputs import OUTPUTS, AnomalyOutputs, ClassOutputs, Outputs, TargetOutputs
from edgenas.errors import UnknownNameError
from edgenas.task import CLASSIFICATION, Anomaly, Regression
from edgenas.testing.outputs import OutputsContract


class TestClasses(OutputsContract):
    shape, outputs = (4, 4, 1), 3

    def make(self) -> Outputs:
        return ClassOutputs(CLASSIFICATION, {}, ("a", "b", "c"))


class TestTargets(OutputsContract):
    shape, outputs = (6,), 2

    def make(self) -> Outputs:
        return TargetOutputs(Regression((75.3, 1e-3), (1e6, 0.0), ("large", "small")), {"coarse": True})


class TestAnomalies(OutputsContract):
    shape, outputs = (10, 5), 50

    def make(self) -> Outputs:
        return AnomalyOutputs(Anomaly(), {"threshold": 1.5, "quantile": 0.99, "threshold_inputs": 100})


def test_every_registered_task_is_tested_here() -> None:
    tested = {type(one().make()) for one in OutputsContract.__subclasses__()}
    assert tested == {OUTPUTS.get(name) for name in OUTPUTS.names()}


def test_verdicts_follow_the_threshold() -> None:
    scores = np.array([[1.4], [1.5], [1.6], [np.nan]], np.float32)
    words = [line.rpartition(", ")[2] for line in TestAnomalies().make().meanings(scores)]
    assert words == ["normal", "normal", "anomalous", "anomalous"]
    with pytest.raises(UnknownNameError):
        OUTPUTS.get("ranking")
