"""What runtimes and trainings can do, known before anything is tried.

Sources: the kernels of github.com/tensorflow/tflite-micro (no float16, no hybrid kernels), the
documentation of X-CUBE-AI, TinyEngine, Vela, ncnn and Arm NN, and the operations that
`edgenas.build.builder` builds and tensorflow-model-optimization wraps.
"""

from __future__ import annotations

from edgenas.arch.graph import OpGraph

_MICRO = ("float32", "int8", "int16x8", "mixed-int8")
_RUNS: dict[str, tuple[str, ...]] = {
    "tflite-micro": _MICRO,
    "tflite-micro-cmsis-nn": _MICRO,
    "x-cube-ai": ("float32", "int8"),
    "tinyengine": ("int8",),
    "ethos-u": ("int8",),
    "ncnn": ("float32", "float16", "int8"),
    "armnn": ("float32", "float16", "int8"),
    "onnxruntime": ("float32", "float16", "int8"),
}
"""Precisions that a runtime is known to run; one that is not listed runs all."""

TRAINABLE = frozenset({
    "conv2d", "depthwise_conv2d", "dense", "add", "max_pool2d", "avg_pool2d", "global_avg_pool", "reshape",
    "softmax", "activation",
})  # fmt: skip
"""Kinds of operations that schemes which train can rebuild and train."""


def runtime_obstacle(precision: str, runtime: str | None) -> str | None:
    """Why a runtime cannot run files of a precision, or None."""
    known = _RUNS.get(runtime or "")
    if known is None or precision in known:
        return None
    return f"runtime '{runtime}' does not run {precision} files; it runs {', '.join(known)}"


def layer_obstacle(graph: OpGraph | None) -> str | None:
    """Which layer keeps a network from being trained further, or None."""
    if graph is None:
        return "the network's operations are not known, so it cannot be rebuilt for a training"
    for op in graph.ops:
        plain = op.kind in TRAINABLE and op.groups == 1 and tuple(op.dilation) == (1, 1)
        plain &= not op.constants and not op.weights_of
        known = op.kind != "activation" or op.activation in ("linear", "relu", "relu6")
        if not plain or not known:
            what = op.activation if op.kind == "activation" else op.kind
            return (
                f"layer '{op.name}' ({what}) cannot be rebuilt for a training; trainable are "
                f"{', '.join(sorted(TRAINABLE))} without groups or dilation, and ReLU and ReLU6"
            )
    return None
