"""No quantization: the yardstick of all other schemes."""

from __future__ import annotations

from edgenas.quantize.conversion import convert
from edgenas.quantize.scheme import SCHEMES, Material, Network, Scheme


@SCHEMES.register("float32")
class Float32(Scheme):
    """The network as it was trained."""

    name = "float32"
    precision = "float32"

    def tflite(self, network: Network, material: Material) -> bytes:
        """See `edgenas.quantize.conversion.convert`."""
        return convert(network.model, network.input_shape, "float32 TFLite conversion")

    def onnx(self, float32: bytes, material: Material) -> bytes:
        """The file that was given."""
        return float32
