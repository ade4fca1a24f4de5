"""Contract of what a device makes of outputs: what every registered task, and any of yours, must keep.

A third party writes one class and inherits the suite::

    class TestMyOutputs(OutputsContract):
        def make(self) -> Outputs:
            return MyOutputs(MyTask(), {})

        shape, outputs = (6,), 2  # of one input and, counted, of one output
"""

from __future__ import annotations

import json

import numpy as np

from edgenas.deploy.outputs import OUTPUTS, Outputs
from edgenas.deploy.rendering import TEMPLATES
from edgenas.export.running import Port


class OutputsContract:
    """Inherit, fill `make` and the sizes, and pytest runs the suite."""

    shape: tuple[int, ...]
    outputs: int

    def make(self) -> Outputs:
        """Outputs to test."""
        raise NotImplementedError

    def _results(self) -> tuple[Outputs, Port, np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        port = Port("output", (1, self.outputs), "int8", 0.037, -11)
        output = rng.integers(-128, 128, (50, self.outputs), np.int8)
        prepared = rng.standard_normal((50, *self.shape)).astype(np.float32)
        made = self.make()
        return made, port, output, prepared, made.results(port, output, prepared)

    def test_it_is_registered_for_its_task_and_has_templates(self) -> None:
        """A bundle finds it by the name of the task."""
        made = self.make()
        assert OUTPUTS.get(made.task.name) is type(made)
        home = TEMPLATES / "tasks" / made.task.name
        names = {path.relative_to(home).as_posix() for path in home.rglob("*.in")}
        sample = f"samples/linux/{made.script}.py.in"
        assert {"c/postprocess.h.in", "c/postprocess.c.in", "c/check_output.c.in", sample} <= names
        assert f"samples/android/{made.kotlin}.kt.in" in names

    def test_results_are_those_of_the_task(self) -> None:
        """float32 as C computes it stays near what the task computes in float64."""
        made, port, output, prepared, results = self._results()
        exact, allowed = made.exact(port, output, prepared)
        assert results.dtype == np.float32 and results.shape == exact.shape and len(results) == 50
        assert (np.abs(results - exact) <= allowed).all()

    def test_each_input_has_its_own_results(self) -> None:
        """One input at a time, as a device has them, gives the same bytes."""
        made, port, output, prepared, results = self._results()
        rows = [made.results(port, output[i : i + 1], prepared[i : i + 1]) for i in range(len(output))]
        assert np.concatenate(rows).tobytes() == results.tobytes()

    def test_results_are_worded_and_written(self) -> None:
        """A line in words for each, and a document that JSON takes."""
        made, port, _, _, results = self._results()
        meanings = made.meanings(results)
        assert len(meanings) == len(results) and all(words and "\n" not in words for words in meanings)
        json.dumps(made.document(results, self.outputs))
        words = made.words(port)
        assert words.does and words.use and words.limits and all(words.postprocess)

    def test_test_vectors_are_some_of_the_samples(self) -> None:
        """No sample twice, none that is not there."""
        chosen = self.make().vectors(np.zeros(4, np.int64), 5)
        assert 0 < len(chosen) <= 4 and len(set(chosen.tolist())) == len(chosen) and max(chosen) < 4
