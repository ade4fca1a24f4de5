"""Outputs of a regression: targets in their own units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgenas.deploy import literals
from edgenas.deploy.outputs.outputs import OUTPUTS, Array, Outputs, Words, dequantized, significant
from edgenas.export.manifest import Artifact
from edgenas.export.running import Port
from edgenas.task import Regression

ROUNDING = 4 * 2.0**-24
"""Share by which four float32 roundings may move a number."""

RANGE_NOTE = (
    "An int8 output has 256 steps: what lies beyond the range in the table comes out as its nearest end, "
    "without a sign of it."
)


@OUTPUTS.register("regression")
@dataclass(frozen=True)
class TargetOutputs(Outputs):
    """Results are the targets: ``output * scale + offset``, both of the task."""

    results_name = "targets"
    script = "predict"
    kotlin = "Predictor"
    kotlin_example = (
        "val predictor = Predictor(context)\n"
        "val targets = predictor.predict(rawValues)   // their names and values"
    )
    linux_note = "predicts the targets of one input on a Linux board, in Python with LiteRT alone"

    @property
    def regression(self) -> Regression:
        """The task, which knows scale, offset and names of the targets."""
        assert isinstance(self.task, Regression)
        return self.task

    def results(self, port: Port, output: Array, prepared: Array) -> Array:
        """Targets; the product is rounded before the sum."""
        scale, offset = (np.asarray(value, np.float32) for value in self._scaling)
        product: Array = dequantized(port, output) * scale
        return np.asarray(product + offset, np.float32)

    def exact(self, port: Port, output: Array, prepared: Array) -> tuple[Array, Array]:
        """Targets in float64; each may differ by the rounding of its product, its sum and its constants."""
        exact = self.regression.restore(dequantized(port, output))
        return exact, ROUNDING * (np.abs(exact) + 2 * np.abs(np.asarray(self.regression.offset)))

    def meanings(self, results: Array) -> list[str]:
        """Each target by its name."""
        names = self.regression.names
        return [
            ", ".join(f"{name} {significant(value)}" for name, value in zip(names, row, strict=True))
            for row in results.tolist()
        ]

    def constants(self, outputs: int) -> str:
        """How many targets and how they are scaled."""
        scale, offset = (_floats(value) for value in self._scaling)
        names = literals.comment(", ".join(self.regression.names))
        return (
            f"/* One output value a target: {names}.\n"
            " * target = real output * TARGET_SCALE + TARGET_OFFSET, in units of the target */\n"
            f"#define EDGENAS_TARGETS {outputs}\n"
            f"#define EDGENAS_TARGET_SCALE {scale}\n"
            f"#define EDGENAS_TARGET_OFFSET {offset}\n"
        )

    def c_values(self, results: Array, outputs: int) -> Mapping[str, str]:
        """Names of the targets."""
        names = (f"  {literals.string_literal(name)}" for name in self.regression.names)
        return {"target_names": ",\n".join(names)}

    def document(self, results: Array, outputs: int) -> dict[str, Any]:
        """Names and scaling of the targets."""
        scale, offset = self._scaling
        return {
            "target_names": list(self.regression.names),
            "target_scale": list(scale),
            "target_offset": list(offset),
        }

    def words(self, port: Port) -> Words:
        """Of targets."""
        names = ", ".join(self.regression.names)
        return Words(
            does=f"predicts {names}",
            agrees="differs from Keras",
            note=(
                '"Differs" is the root mean square difference of an int8 file\'s targets from those of the '
                "Keras model, as a share of their standard deviation, on held-back inputs; for a float file "
                "the largest difference of a standardized output."
            ),
            use=(
                f"To predict {names} for inputs like those of the data it was trained on, on small devices. "
                "The network gives standardized targets; `c/postprocess.h` and the samples undo that: "
                f"`target = output * scale + offset`.\n\n{self._table(port)}"
            ),
            limits=(
                "It always gives a number, also for an input unlike all that it was trained on, and no "
                "measure of its doubt: take the figures above for that.",
                *(() if port.scale is None else (RANGE_NOTE,)),
                *self._coarse(),
            ),
            postprocess=("int8 output to targets in their units", "with the names of the targets"),
        )

    def agreement(self, artifact: Artifact) -> str:
        """As a share of the targets' standard deviation."""
        difference = artifact.parity.figures.get("relative_difference")
        if difference is None:
            return f"{artifact.parity.max_abs_difference:.1e} at most"
        return f"{difference:.2%}"

    def kotlin_values(self) -> Mapping[str, str]:
        """Names and scaling of the targets."""
        scale, offset = (", ".join(map(literals.float_literal, value)) for value in self._scaling)
        names = ", ".join(map(literals.kotlin_literal, self.regression.names))
        return {"target_names": names, "target_scale": scale, "target_offset": offset}

    @property
    def _scaling(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.regression.scale, self.regression.offset

    def _table(self, port: Port) -> str:
        """Scale and offset of each target, step and range of what an int8 output can say."""
        lines = ["| target | scale | offset | step of int8 | range of int8 |", "|---|---|---|---|---|"]
        task = self.regression
        for name, scale, offset in zip(task.names, task.scale, task.offset, strict=True):
            cells = [name, f"{scale:.9g}", f"{offset:.9g}", "", ""]
            if port.scale is not None and port.zero_point is not None:
                low, high = ((end - port.zero_point) * port.scale * scale + offset for end in (-128, 127))
                step = significant(port.scale * scale)
                cells[3:] = [step, f"{significant(low)} to {significant(high)}"]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def _coarse(self) -> tuple[str, ...]:
        if not self.use.get("coarse"):
            return ()
        return (
            "One step of the int8 output is large against the error of the network: take a float file where "
            "that matters.",
        )


def _floats(values: tuple[float, ...]) -> str:
    return "{" + ", ".join(map(literals.float_literal, values)) + "}"
