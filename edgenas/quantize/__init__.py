"""Quantization and compression: from a trained Keras model to smaller files. One scheme a file."""

from edgenas.quantize.channel_pruning import ChannelPruning
from edgenas.quantize.clustering import Clustering
from edgenas.quantize.collaborative import ClusterPreserving, PruningPreserving
from edgenas.quantize.dynamic_range import DynamicRange
from edgenas.quantize.float16 import Float16
from edgenas.quantize.float32 import Float32
from edgenas.quantize.full_int8 import FullInt8
from edgenas.quantize.int16x8 import Int16x8
from edgenas.quantize.mixed import MixedInt8
from edgenas.quantize.pruning import BlockPruning, MagnitudePruning
from edgenas.quantize.qat import QuantizationAware
from edgenas.quantize.scheme import SCHEMES, STANDARD, Material, Network, Scheme, scheme_names
from edgenas.quantize.tfmot_qat import LibraryQuantizationAware

__all__ = [
    "SCHEMES", "STANDARD", "BlockPruning", "ChannelPruning", "ClusterPreserving", "Clustering",
    "DynamicRange", "Float16", "Float32", "FullInt8", "Int16x8", "LibraryQuantizationAware",
    "MagnitudePruning", "Material", "MixedInt8", "Network", "PruningPreserving", "QuantizationAware",
    "Scheme", "scheme_names",
]  # fmt: skip
