"""Outputs of an anomaly detector: one score an input, and the threshold above which it is anomalous."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgenas.deploy import literals
from edgenas.deploy.outputs.outputs import OUTPUTS, Array, Outputs, Words, dequantized, significant
from edgenas.export.manifest import Artifact
from edgenas.export.running import Port
from edgenas.task import Anomaly

EPSILON = 2.0**-24
"""Largest share by which one float32 rounding moves a number."""

ANOMALOUS_VECTORS = 2
"""Test vectors that are anomalous, where the samples have so many."""


@OUTPUTS.register("anomaly")
@dataclass(frozen=True)
class AnomalyOutputs(Outputs):
    """Results are one score an input: the mean of ``(output - input)^2``, the input as normalized float."""

    results_name = "score"
    script = "detect"
    kotlin = "AnomalyDetector"
    kotlin_example = (
        "val detector = AnomalyDetector(context)\n"
        "val verdict = detector.detect(rawValues)   // its score, and isAnomaly"
    )
    linux_note = "says whether one input is anomalous on a Linux board, in Python with LiteRT alone"

    @property
    def threshold(self) -> np.float32:
        """The score above which an input counts as anomalous."""
        return np.float32(self.use["threshold"])

    def results(self, port: Port, output: Array, prepared: Array) -> Array:
        """Scores; squares are summed one after the other in float32."""
        read = np.asarray(prepared, np.float32).reshape(len(prepared), -1)
        differences = dequantized(port, output) - read
        sums = np.cumsum(differences * differences, axis=1, dtype=np.float32)[:, -1:]
        return np.asarray(sums / np.float32(read.shape[1]), np.float32)

    def exact(self, port: Port, output: Array, prepared: Array) -> tuple[Array, Array]:
        """Scores in float64; the order of a float32 sum moves one by a rounding a value at most."""
        assert isinstance(self.task, Anomaly)
        scores = self.task.scores(dequantized(port, output), np.asarray(prepared))[:, None]
        return scores, (np.asarray(prepared)[0].size + 8) * EPSILON * scores

    def meanings(self, results: Array) -> list[str]:
        """Score and verdict."""
        verdicts = np.where(self._anomalous(results), "anomalous", "normal")
        pairs = zip(results[:, 0].tolist(), verdicts, strict=True)
        return [f"score {significant(score)}, {verdict}" for score, verdict in pairs]

    def constants(self, outputs: int) -> str:
        """The threshold."""
        source = (
            f" * The {self.use['quantile']:g} quantile of the scores of {self.use['threshold_inputs']} "
            "normal training inputs.\n"
            if "threshold_inputs" in self.use
            else ""
        )
        return (
            "/* The output is the input again, as far as the network can tell it. An input is anomalous\n"
            " * where its score, the mean of (output - normalized input)^2, is above this threshold.\n"
            f"{source}"
            " * Make it larger for fewer false alarms, with the option -DEDGENAS_THRESHOLD=... */\n"
            "#ifndef EDGENAS_THRESHOLD\n"
            f"#define EDGENAS_THRESHOLD {literals.float_literal(float(self.threshold))}\n"
            "#endif\n"
        )

    def c_values(self, results: Array, outputs: int) -> Mapping[str, str]:
        """Whether each vector is anomalous by the threshold as it was."""
        return {
            "vector_anomalous": literals.table(self._anomalous(results).astype(np.int32)),
            "vector_threshold": literals.float_literal(float(self.threshold)),
        }

    def document(self, results: Array, outputs: int) -> dict[str, Any]:
        """The threshold, and what is above it."""
        anomalous = self._anomalous(results).tolist()
        return {"threshold": float(self.threshold), "anomalous": anomalous}

    def words(self, port: Port) -> Words:
        """Of scores."""
        return Words(
            does="gives them back, the worse the less they are like the normal data that it learnt",
            agrees="ranks like Keras",
            note=(
                "AUC is how likely an anomalous input scores higher than a normal one; it needs no "
                'threshold. "Ranks like Keras" is the rank correlation (Spearman) of an int8 file\'s scores '
                "with those of the Keras model on held-back inputs; for a float file the largest difference "
                "of one value."
            ),
            use=(
                "To tell inputs that are unlike the normal data it was trained on, on small devices. The "
                "score of an input is the mean over its values of (output - input)^2, both as float, the "
                "input after normalization; above the threshold of the file it counts as anomalous "
                f"(`c/postprocess.h`, samples).\n\n{self._table()}"
            ),
            limits=(
                "It tells what is unlike its training data, not what is wrong: a new kind of normal input "
                "scores high too, and an anomaly that looks like normal data does not.",
                "The threshold is of `model.int8.tflite`; each other file has its own in `manifest.json`. It "
                "comes from normal training data: look at the false alarms of your own sensor, and move it.",
            ),
            postprocess=(
                "int8 output and raw input to an anomaly score",
                "by summed squares, with the threshold",
            ),
        )

    def agreement(self, artifact: Artifact) -> str:
        """Rank correlation of scores."""
        correlation = artifact.parity.figures.get("score_correlation")
        if correlation is None:
            return f"{artifact.parity.max_abs_difference:.1e} at most"
        return f"{correlation:.3f}"

    def vectors(self, labels: Array, number: int) -> Array:
        """Normal inputs and `ANOMALOUS_VECTORS` anomalous ones, as far as the samples have them."""
        anomalous = np.flatnonzero(np.asarray(labels).reshape(-1))
        normal = np.setdiff1d(np.arange(len(labels)), anomalous)
        few = anomalous[: max(ANOMALOUS_VECTORS, number - len(normal))]
        return np.concatenate([normal[: number - len(few)], few])[:number]

    def kotlin_values(self) -> Mapping[str, str]:
        """The threshold."""
        return {"threshold": literals.float_literal(float(self.threshold))}

    def _anomalous(self, results: Array) -> Array:
        """Which inputs are anomalous; those whose score is not a number are, too."""
        return np.asarray(~(results[:, 0] <= self.threshold))

    def _table(self) -> str:
        """What the threshold brings."""
        lines = ["| | threshold | anomalies found | false alarms |", "|---|---|---|---|"]
        for split in ("validation", "test"):
            if split in self.use:
                found, false = (self.use[split][name] for name in ("found", "false_alarms"))
                lines.append(
                    f"| {split} | {significant(float(self.threshold))} | {found:.1%} | {false:.1%} |"
                )
        return "\n".join(lines)
