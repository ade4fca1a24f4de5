"""Quantization-aware training by tensorflow-model-optimization, from ranges of the calibration images.

Its default 8-bit scheme (Jacob et al. 2018) works on the network with its batch normalizations in place.
It begins the ranges of activations at -6 to 6, which takes hundreds of steps to mend, so they are set to
those of the calibration images before anything is trained. docs/decisions/0006-constrained-training.md
compares it with `qat`.
"""

from __future__ import annotations

from typing import Any

from edgenas.arch.graph import OpGraph
from edgenas.build.twin import named_twin, named_weights
from edgenas.quantize.calibration import check_calibration
from edgenas.quantize.constrained import INPUT, Range, found_ranges, ranged_layers
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.training import graph_of, ranged_tflite
from edgenas.quantize.tuning import fine_tune
from edgenas.quantize.wrapping import tfmot

_WEIGHTED = ("conv2d", "depthwise_conv2d", "dense")
_RELUS = ("relu", "relu6")


@SCHEMES.register("tfmot-qat")
class LibraryQuantizationAware(Scheme):
    """An int8 network that learned to be one, by tensorflow-model-optimization."""

    name = "tfmot-qat"
    trains = True
    same_cost = True
    ranges_from_tflite = True

    def why_not(self, graph: OpGraph | None, runtime: str | None = None) -> str | None:
        """Also where the library would leave weights in float."""
        return super().why_not(graph, runtime) or (None if graph is None else _obstacle(graph))

    def prepare(self, network: Network, material: Material) -> Network:
        """Fine-tune with int8 weights and activations; batch normalizations keep their statistics."""
        graph = graph_of(network, self.name)
        material.splits(self.name)
        check_calibration(material.calibration, graph.input_shape)
        plain = named_twin(graph, named_weights(network.model))
        pooled = [op.name for op in graph.ops if op.kind == "avg_pool2d"]  # the library gives it a range too
        ranges = found_ranges(plain, [*ranged_layers(graph), *pooled], material.calibration)
        for layer in plain.layers:
            if type(layer).__name__ == "BatchNormalization":
                layer.trainable = False
        model = tfmot().quantization.keras.quantize_model(plain)
        model(material.calibration[:1], training=True)  # gives kernels the ranges of their weights
        _begin_with(model, ranges)
        return Network(model, graph, fine_tune(model, material, self.name))

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.training.ranged_tflite`."""
        return ranged_tflite(network)


def _obstacle(graph: OpGraph) -> str | None:
    """Which layer tensorflow-model-optimization 0.8 does not train as int8, or None."""
    read_by_relu = {
        number
        for op in graph.ops
        if op.kind == "activation" and op.activation in _RELUS
        for number in op.inputs
    }
    for number, op in enumerate(graph.ops, start=1):
        relu = op.activation in _RELUS or number in read_by_relu
        if op.kind in _WEIGHTED and relu and not op.batch_norm:
            return (
                f"layer '{op.name}' ({op.kind}) is followed by a ReLU with no batch normalization between, "
                "and tensorflow-model-optimization then leaves its weights in float; 'qat' trains it"
            )
    return None


def _begin_with(model: Any, ranges: dict[str, Range]) -> None:
    """Set the ranges of activations."""
    for layer in model.layers:
        name = INPUT if layer.name == "quantize_layer" else layer.name.removeprefix("quant_")
        for weight in layer.weights if name in ranges else ():
            kind = weight.name.rpartition("/")[2].partition(":")[0]
            if "kernel" not in kind and kind.endswith(("_min", "_max")):
                weight.assign(ranges[name][kind.endswith("_max")])
