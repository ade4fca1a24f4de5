"""Exported files run on the runtimes that they are for, one image at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgenas.captured import captured

AT_ONCE = 250
"""Inputs that are quantized at once, so that the memory stays bounded for those that lie on disk."""


@dataclass(frozen=True, slots=True)
class Port:
    """Input or output of a file.

    Attributes:
        name: Its name in the file.
        shape: Batch axis of 1 included.
        dtype: ``float32``, ``int8`` or ``int16``.
        scale: Step of an integer value, or None for float32.
        zero_point: The integer value that means 0, or None for float32.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {**asdict(self), "shape": list(self.shape)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Port:
        """What `to_json` wrote."""
        return cls(**{**document, "shape": tuple(document["shape"])})

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """Values as the port takes them; those out of range are clipped."""
        if self.scale is None or self.zero_point is None:
            return values.astype(np.float32)
        steps = np.round(values / np.float32(self.scale)) + self.zero_point
        limits = np.iinfo(self.dtype)
        return np.clip(steps, limits.min, limits.max).astype(self.dtype)

    def dequantize(self, values: np.ndarray) -> np.ndarray:
        """What the port's values mean, float32."""
        if self.scale is None or self.zero_point is None:
            return values
        return (values.astype(np.float32) - self.zero_point) * np.float32(self.scale)


@dataclass(frozen=True, slots=True)
class Program:
    """A file ready to run.

    Attributes:
        input: What it reads.
        output: What it writes.
        step: Distance of two neighbouring output values: 0 if the output is computed in float.
        run_raw: From values of the input port (n, ...), to those of the output port (n, classes).
    """

    input: Port
    output: Port
    step: float
    run_raw: Callable[[np.ndarray], np.ndarray]

    def run(self, images: np.ndarray) -> np.ndarray:
        """Outputs as float32 (n, classes) for float32 images (n, height, width, channels)."""
        parts = (images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE))
        return np.concatenate([self.output.dequantize(self.run_raw(self.input.quantize(x))) for x in parts])


def load_tflite(model: bytes) -> Program:
    """A ``.tflite`` file in LiteRT, on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    with captured():
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run_raw(values: np.ndarray) -> np.ndarray:
        out = np.empty((len(values), *target["shape"][1:]), target["dtype"])
        for position in range(len(values)):
            interpreter.reset_all_variables()  # of a recurrent layer, which keeps its state between calls
            interpreter.set_tensor(source["index"], values[position : position + 1])
            interpreter.invoke()
            out[position] = interpreter.get_tensor(target["index"])[0]
        return out

    output = _tflite_port(target)
    return Program(_tflite_port(source), output, output.scale or 0.0, run_raw)


def _tflite_port(detail: dict[str, Any]) -> Port:
    shape, dtype = tuple(int(size) for size in detail["shape"]), np.dtype(detail["dtype"]).name
    if dtype == "float32":
        return Port(detail["name"], shape, dtype)
    scale, zero_point = detail["quantization"]
    return Port(detail["name"], shape, dtype, float(scale), int(zero_point))


def load_onnx(model: bytes) -> Program:
    """An ``.onnx`` file in onnxruntime, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    source, target = session.get_inputs()[0], session.get_outputs()[0]

    def run_raw(values: np.ndarray) -> np.ndarray:
        rows = [
            session.run(None, {source.name: values[position : position + 1]})[0]
            for position in range(len(values))
        ]
        return np.concatenate(rows)

    ports = [Port(port.name, tuple(port.shape), "float32") for port in (source, target)]
    return Program(ports[0], ports[1], _output_step(model), run_raw)


def _output_step(model: bytes) -> float:
    """The scale of the DequantizeLinear that writes the output of a QDQ file, or 0."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(model).graph
    for node in graph.node:
        if graph.output[0].name in node.output and node.op_type == "DequantizeLinear":
            scales = [numpy_helper.to_array(one) for one in graph.initializer if one.name == node.input[1]]
            return float(scales[0].max()) if scales else 0.0
    return 0.0
