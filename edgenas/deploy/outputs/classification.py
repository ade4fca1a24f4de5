"""Outputs of a classifier: a score for each class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgenas.deploy import literals
from edgenas.deploy.outputs.outputs import OUTPUTS, Array, Outputs, Words, dequantized
from edgenas.export.manifest import Artifact
from edgenas.export.running import Port


@OUTPUTS.register("classification")
@dataclass(frozen=True)
class ClassOutputs(Outputs):
    """Results are the scores of all classes; the highest names the class."""

    results_name = "scores"
    script = "classify"
    kotlin = "Classifier"
    kotlin_example = (
        "val classifier = Classifier(context)\n"
        "val best = classifier.classify(rawValues).first()   // its name and score"
    )
    linux_note = "classifies one file on a Linux board, in Python with LiteRT alone"

    def results(self, port: Port, output: Array, prepared: Array) -> Array:
        """Scores."""
        return dequantized(port, output)

    def exact(self, port: Port, output: Array, prepared: Array) -> tuple[Array, Array]:
        """Scores are defined as float32."""
        scores = dequantized(port, output)
        return scores, np.zeros_like(scores)

    def meanings(self, results: Array) -> list[str]:
        """The class of each."""
        names = self.names(results.shape[1])
        return [f"class '{names[best]}'" for best in results.argmax(axis=1)]

    def constants(self, outputs: int) -> str:
        """How many classes."""
        return f"/* One output value a class. */\n#define EDGENAS_CLASSES {outputs}\n"

    def c_values(self, results: Array, outputs: int) -> Mapping[str, str]:
        """Names and the classes of the vectors."""
        return {
            "class_names": ",\n".join(f"  {literals.string_literal(name)}" for name in self.names(outputs)),
            "vector_class": literals.table(results.argmax(axis=1)),
        }

    def document(self, results: Array, outputs: int) -> dict[str, Any]:
        """Classes and their names."""
        return {"classes": results.argmax(axis=1).tolist(), "class_names": list(self.names(outputs))}

    def words(self, port: Port) -> Words:
        """Of classes."""
        count = len(self.class_names)
        return Words(
            does=f"names one of {count} classes",
            agrees="agrees with Keras",
            note=(
                'Accuracy is the share of right classes. "Agrees" is the share of held-back inputs for which '
                "the file names the class that the Keras model names."
            ),
            use=(
                f"To name one of the {count} classes below for inputs like those of the data it was trained "
                f"on, on small devices:\n\n{', '.join(self.class_names)}"
            ),
            limits=(
                "It always names one of its classes, also for an input that is none of them. A low score is "
                "a hint, not a measure of doubt: the scores were not calibrated.",
            ),
            postprocess=("int8 output to scores, best class, best k", "with the names of the classes"),
        )

    def agreement(self, artifact: Artifact) -> str:
        """Share of equal classes."""
        agreement = artifact.parity.agreement
        return "not counted" if agreement is None else f"{agreement:.2%}"

    def kotlin_values(self) -> Mapping[str, str]:
        """Names of the classes."""
        return {"class_names": ", ".join(map(literals.kotlin_literal, self.class_names))}

    def names(self, outputs: int) -> tuple[str, ...]:
        """A name for each output; numbers where the data name other classes."""
        if len(self.class_names) == outputs:
            return self.class_names
        return tuple(str(number) for number in range(outputs))
