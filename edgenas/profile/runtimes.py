"""Runtimes: what executes a model on a device, and what each of them can run.

The same network differs by an order of magnitude between two runtimes on one board, so a runtime is
part of every cost. Support is a fact of the runtime, not of the board; a device's file may take more
away (`edgenas.profile.device.Device.unsupported`).
"""

from __future__ import annotations

from dataclasses import dataclass

from edgenas.registry import Registry


@dataclass(frozen=True, slots=True)
class Runtime:
    """What is known of a runtime.

    Attributes:
        name: Name for people.
        precisions: Precisions of models that it runs.
        threaded: Whether it can use more than one core.
        unsupported: Kinds of operations (`edgenas.arch.graph.OP_KINDS`) that it cannot run.
        source: What the two last facts rest on.
    """

    name: str
    precisions: tuple[str, ...]
    threaded: bool
    unsupported: tuple[str, ...] = ()
    source: str = ""


RUNTIMES: Registry[Runtime] = Registry("runtime")
"""Runtimes by id; register one of your own to name it in a device file."""

_BOTH = ("int8", "float32")
_TFLITE_MICRO = "tensorflow/lite/micro/kernels of github.com/tensorflow/tflite-micro"

for _id, _runtime in {
    "tflite-micro": Runtime("TFLite-Micro, reference kernels", _BOTH, False, source=_TFLITE_MICRO),
    "tflite-micro-cmsis-nn": Runtime("TFLite-Micro with CMSIS-NN", _BOTH, False, source=_TFLITE_MICRO),
    "x-cube-ai": Runtime("STMicroelectronics X-CUBE-AI (ST Edge AI Core)", _BOTH, False),
    "tinyengine": Runtime(
        "TinyEngine", ("int8",), False, ("softmax", "activation"),
        "operators that code_generator/TfliteConvertor.py of github.com/mit-han-lab/tinyengine converts",
    ),
    "litert": Runtime("LiteRT with XNNPACK", _BOTH, True),
    "onnxruntime": Runtime("ONNX Runtime", _BOTH, True),
    "ncnn": Runtime("ncnn", _BOTH, True),
    "armnn": Runtime("Arm NN", _BOTH, True),
    "ethos-u": Runtime(
        "Ethos-U behind TFLite-Micro, compiled by Vela", ("int8",), False,
        source="which operations run on the NPU is asked of Vela for each network",
    ),
}.items():  # fmt: skip
    RUNTIMES.register(_id)(_runtime)
