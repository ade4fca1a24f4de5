"""Which layer loses the accuracy: all but one in int8, and that one in float.

TensorFlow Lite's quantization debugger leaves a layer out of the quantization in some 20 ms, so each
layer is tried with a real file on real images.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgenas.arch.graph import Op, OpGraph
from edgenas.build.tflite_tables import TfliteFile
from edgenas.captured import conversion_errors
from edgenas.quantize.calibration import check_calibration
from edgenas.quantize.conversion import frozen
from edgenas.quantize.full_int8 import calibrate
from edgenas.quantize.recurrent import written_out
from edgenas.quantize.scheme import Network

MOST_IMAGES = 1000
MOST_LAYERS = 60
"""More are not tried one by one; the first so many are."""

_TRIED = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MEAN", "TRANSPOSE_CONV", "MUL"}
)

Runner = Callable[[bytes, np.ndarray], np.ndarray]
"""Gives the outputs of a ``.tflite`` file, float32 (n, classes), for images."""


@dataclass(frozen=True, slots=True)
class LayerSensitivity:
    """What one layer costs in int8.

    Attributes:
        layer: Its operation in the network, or what the converter calls it.
        kind: TFLite's name of the operation.
        gain: Accuracy on validation images with this layer in float, less that with all in int8.
    """

    layer: str
    kind: str
    gain: float

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


class Selective:
    """Full-int8 files of a network with some operations left in float.

    Args:
        network: The trained network.
        calibration: As for `edgenas.quantize.full_int8.full_int8`.

    Raises:
        DataError: Calibration images that `check_calibration` refuses.
        UnsupportedError: The converter cannot handle the network.
    """

    def __init__(self, network: Network, calibration: np.ndarray) -> None:
        check_calibration(calibration, network.input_shape)
        with self._errors():
            import tensorflow as tf

            converter = tf.lite.TFLiteConverter.from_concrete_functions(
                [frozen(written_out(network.model), network.input_shape)]
            )
            calibrate(converter, calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
            self._debugger = tf.lite.experimental.QuantizationDebugger(
                converter=converter, debug_dataset=lambda: ([image[None]] for image in calibration[:1])
            )
        self.operations = [
            (operator.kind, file.tensors[operator.outputs[0]].name)
            for file in [TfliteFile(self.without([]))]
            for operator in file.operators
            if operator.kind in _TRIED
        ]

    def without(self, names: Sequence[str]) -> bytes:
        """The file with the operations that write these tensors in float."""
        with self._errors():
            import tensorflow as tf

            options = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=list(names))
            self._debugger.options = options
            return bytes(self._debugger.get_nondebug_quantized_model())

    @staticmethod
    def _errors() -> Any:
        return conversion_errors("selective int8 conversion", "leave out or replace the operation it names")


def sensitivities(
    selective: Selective, graph: OpGraph | None, labelled: tuple[np.ndarray, np.ndarray], run: Runner
) -> list[tuple[LayerSensitivity, str]]:
    """Every layer with its gain, the largest first, and the name that `Selective.without` takes.

    Args:
        labelled: Validation images and labels; the first `MOST_IMAGES` count.
        run: Runs a file.
    """
    images, labels = labelled[0][:MOST_IMAGES], labelled[1][:MOST_IMAGES]
    base = _accuracy(run(selective.without([]), images), labels)
    tried = selective.operations[:MOST_LAYERS]
    layers = layers_of([name for _, name in selective.operations], graph)
    found = []
    for (kind, name), layer in zip(tried, layers, strict=False):
        gain = _accuracy(run(selective.without([name]), images), labels) - base
        found.append((LayerSensitivity(layer, kind, gain), name))
    return sorted(found, key=lambda entry: -entry[0].gain)


def layers_of(names: Sequence[str], graph: OpGraph | None) -> list[str]:
    """The operation of the graph that each of a converter's names stands for.

    A converter's name is made of scopes, one a layer. TensorFlow puts numbers behind those of Keras 3, so
    that the second of two layers ``dense`` and ``dense_1`` may be called ``dense_1_2``, and the first
    ``dense_1``; then the order of the layers tells them apart.

    Args:
        names: In the order of the file.
        graph: The network, or None where it is not known.
    """
    scopes = [[part for piece in name.split(";") for part in piece.split("/")] for name in names]
    waiting = list(graph.ops) if graph else []
    exact = [next((op.name for op in waiting if set(_scopes(op)) & set(parts)), None) for parts in scopes]
    if all(exact):
        return [name or "" for name in exact]
    found = []
    for parts in scopes:
        plain = {re.sub(r"(_\d+)+$", "", part) for part in parts}
        op = next((op for op in waiting if _fits(op, plain)), None)
        if op is not None:
            waiting.remove(op)
        found.append(op.name if op is not None else parts[1] if len(parts) > 1 else parts[0])
    return found


def _scopes(op: Op) -> tuple[str, str, str]:
    """What layers of an operation are called."""
    return op.name, f"{op.name}_bn", f"{op.name}_{op.activation}"


def _fits(op: Op, scopes: set[str]) -> bool:
    """Whether one of the scopes is that of an operation, numbers left aside."""
    return any(re.sub(r"(_\d+)+$", "", one) in scopes for one in _scopes(op))


def _accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(outputs.argmax(axis=-1) == labels))
