"""ONNX files of a trained network: float32 and quantized.

This is the only file that knows tf2onnx, so that another exporter can take its place. It converts
the float32 ``.tflite`` file, not the Keras model: TFLite's converter has folded every batch
normalization by then, of tf_keras and Keras 3 models alike (from a Keras 3 model, tf2onnx leaves
a Mul and an Add behind each depthwise convolution). The input stays NHWC, as in the other files;
convolutions are NCHW in ONNX, so there is one Transpose behind the input (none if it has one
channel) and one before the first operation that flattens or averages.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from edgenas.captured import conversion_errors
from edgenas.errors import ParityError, UnsupportedError
from edgenas.export.onnx_ends import with_float_ends
from edgenas.export.running import load_tflite
from edgenas.store import storage_errors

OPSET = 17
"""Of the operators; onnxruntime 1.14 (2023) and later read it."""

INPUT_NAME, OUTPUT_NAME = "input", "output"
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def float32_onnx(tflite: bytes) -> bytes:
    """A float32 ``.onnx`` file with batch 1, from the float32 ``.tflite`` file of the network.

    Raises:
        UnsupportedError: An operation has no counterpart in ONNX.
        StoreError: The folder for temporary files is full.
    """
    with conversion_errors("ONNX conversion", "replace the operation it names"):
        model = _converted(tflite)
        _rename(model.graph, model.graph.input[0], INPUT_NAME)
        _rename(model.graph, model.graph.output[0], OUTPUT_NAME)
        return _checked(model)


def carried_onnx(tflite: bytes) -> bytes:
    """A QDQ ``.onnx`` file with the weights and ranges of an int8 ``.tflite`` file; nothing is calibrated.

    Input and output are float32, as in the other ``.onnx`` files.

    Raises:
        UnsupportedError: An operation has no counterpart in ONNX.
        ParityError: An operation stayed in float.
        StoreError: The folder for temporary files is full.
    """
    program = load_tflite(tflite)
    with conversion_errors("ONNX conversion", "replace the operation it names"):
        model = _converted(tflite)
        with_float_ends(model, program.input, program.output, (INPUT_NAME, OUTPUT_NAME))
        return int8_throughout(_checked(model))


def _converted(tflite: bytes) -> Any:
    """What tf2onnx makes of a ``.tflite`` file, float or int8."""
    with storage_errors(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "model.tflite")
        source.write_bytes(tflite)
        import tf2onnx

        model, _ = tf2onnx.convert.from_tflite(str(source), opset=OPSET)
    _refuse_foreign_operators(model)
    return model


def _checked(model: Any) -> bytes:
    import onnx

    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def int8_throughout(model: bytes, file: str = "model.int8.onnx") -> bytes:
    """A QDQ file in which every operation with weights reads int8 values, as it is.

    Raises:
        ParityError: The quantizer left an operation in float.
    """
    if left := float_operations(model):
        raise ParityError(
            f"{file}: {len(left)} operation(s) stayed in float ({', '.join(left)}), expected 0; "
            "replace them by operations that onnxruntime quantizes"
        )
    return model


def float_operations(model: bytes) -> list[str]:
    """Operations with weights of a QDQ file that read something else than dequantized int8 values."""
    import onnx

    graph = onnx.load_from_string(model).graph
    dequantized = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    return [
        f"{node.op_type} '{node.name or node.output[0]}'"
        for node in graph.node
        if node.op_type in _WEIGHTED and not {name for name in node.input if name} <= dequantized
    ]


def _refuse_foreign_operators(model: Any) -> None:
    """tf2onnx only logs what it could not convert, and leaves it in the file."""
    import onnx

    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    foreign = sorted({node.op_type for node in model.graph.node if node.op_type not in known})
    if foreign:
        raise UnsupportedError(
            f"ONNX has no operation for {', '.join(foreign)} of TFLite; replace it in the model"
        )


def _rename(graph: Any, value: Any, name: str) -> None:
    """Rename the input or output of a graph, everywhere it is used."""
    former, value.name = value.name, name
    for node in graph.node:
        for names in (node.input, node.output):
            for position, used in enumerate(names):
                if used == former:
                    names[position] = name
