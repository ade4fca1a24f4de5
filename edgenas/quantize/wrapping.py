"""Trainings with the layer wrappers of tensorflow-model-optimization (tfmot), on folded networks.

tfmot prunes and clusters; what goes in and comes out are plain layers, so the file is made and proven as
that of any other network. docs/decisions/0006-constrained-training.md says what was measured.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Any

from edgenas.arch.graph import OpGraph
from edgenas.build.twin import named_twin, named_weights
from edgenas.quantize.constrained import plain_model
from edgenas.quantize.scheme import Material, Network
from edgenas.quantize.training import Weights
from edgenas.quantize.tuning import fine_tune


def tfmot() -> Any:
    """The library; what its import sets for the whole process and its children is taken back."""
    variable = "TF_USE_LEGACY_KERAS"
    before = os.environ.get(variable)
    try:
        import tensorflow_model_optimization as library
    finally:
        if before is None:
            os.environ.pop(variable, None)
    return library


def train_wrapped(
    graph: OpGraph,
    weights: Weights,
    names: Collection[str],
    wrap: Callable[[Any], Any],
    strip: Callable[[Any], Any],
    material: Material,
    scheme: str,
    **options: Any,
) -> Network:
    """Train a network some of whose layers are wrapped, and give it back with plain layers.

    Args:
        graph: The network, batch normalizations folded.
        weights: By layer.
        names: Layers to wrap.
        wrap: Makes the wrapped layer of a layer.
        strip: Makes the model without wrappers of the trained one.
        options: Of `edgenas.quantize.tuning.fine_tune`.
    """
    import tf_keras

    model = tf_keras.models.clone_model(
        named_twin(graph, weights), clone_function=lambda layer: wrap(layer) if layer.name in names else layer
    )
    facts = fine_tune(model, material, scheme, **options)
    return Network(plain_model(graph, named_weights(strip(model))), graph, facts)
