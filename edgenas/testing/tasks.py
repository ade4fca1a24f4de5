"""Contract of a task: what every registered task, and any of yours, must keep.

A third party writes one class and inherits the suite::

    class TestMyTask(TaskContract):
        def make(self) -> Task:
            return MyTask()

        def example(self, rng):
            return outputs, x, y  # perfect outputs for some inputs and labels
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgenas.task import Task, task_from
from edgenas.task.task import Array


class TaskContract:
    """Inherit, fill `make` and `example`, and pytest runs the suite."""

    def make(self) -> Task:
        """A task to test."""
        raise NotImplementedError

    def example(self, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Perfect outputs, what they were made of, and the labels; some 200."""
        raise NotImplementedError

    def test_it_comes_back_from_json(self) -> None:
        """A run and a manifest read again what they wrote, what they added for people left alone."""
        task = self.make()
        document = json.loads(json.dumps({**task.to_json(), **task.describe()}))
        assert task_from(document) == task

    def test_perfect_outputs_have_no_error(self) -> None:
        """0 is perfect, and the figure that people read is among the figures."""
        task = self.make()
        figures = task.figures(*self.example(np.random.default_rng(0)))
        assert task.error(figures) == pytest.approx(0.0, abs=1e-6)
        assert task.metric in figures

    def test_noise_raises_the_error_and_worsens_the_figure(self) -> None:
        """Error and figure agree on what is better."""
        task = self.make()
        outputs, x, y = self.example(np.random.default_rng(0))
        noise = np.random.default_rng(1).standard_normal(outputs.shape).astype(np.float32)
        errors, figures = [], []
        for share in (0.0, 1.0, 20.0):
            found = task.figures(outputs + share * noise, x, y)
            errors.append(task.error(found))
            figures.append(found[task.metric])
        assert errors[0] < errors[1] < errors[2]
        assert (figures == sorted(figures, reverse=True)) is task.higher_is_better

    def test_smaller_arrays_have_the_same_figures(self) -> None:
        """Resampling works on what `condensed` returns."""
        task = self.make()
        outputs, x, y = self.example(np.random.default_rng(0))
        outputs = outputs + np.random.default_rng(1).standard_normal(outputs.shape).astype(np.float32)
        whole, less = task.figures(outputs, x, y), task.figures(*task.condensed(outputs, x), y)
        assert less == pytest.approx(whole, rel=1e-5)

    def test_targets_have_one_row_an_input(self) -> None:
        """What outputs are compared with in training."""
        task = self.make()
        _, x, y = self.example(np.random.default_rng(0))
        assert len(task.targets(x, y)) == len(x)

    def test_figures_are_worded(self) -> None:
        """People read a figure with its name."""
        task = self.make()
        assert task.label and task.full_label.startswith(task.label)
        assert task.format(0.5) and task.format_difference(-0.25).startswith("−")
