"""Public networks as graphs: what published latencies of phones and boards were measured on.

Shapes follow the papers and the authors' released code; batch normalizations are fused, and functions that
runtimes do not fuse (hard swish) are operations of their own, as in the released ``.tflite`` files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from edgenas.arch.graph import FUSED_ACTIVATIONS, GraphBuilder, OpGraph
from edgenas.arch.mobile_blocks import divisible
from edgenas.errors import UnsupportedError

IMAGENET_CLASSES = 1001
"""Classes of the released files: ImageNet's and one for background."""


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """One inverted bottleneck (Sandler et al. 2018).

    Attributes:
        expanded: Channels of its depthwise convolution; those of the input leave the expansion out.
        filters: Channels it puts out.
        kernel: Side of the depthwise window.
        stride: Step of that window.
        squeezed: Channels of its squeeze-and-excite, 0 for none.
        activation: Function after the expansion and the depthwise convolution.
    """

    expanded: int
    filters: int
    kernel: int
    stride: int
    squeezed: int = 0
    activation: str = "relu6"


class _Network(GraphBuilder):
    """A graph builder that numbers its layers and knows what they are made of."""

    def conv(
        self, tensor: int, filters: int, kernel: int, stride: int, act: str, *, kind: str = "conv2d",
        padding: str = "same",
    ) -> int:  # fmt: skip
        """A convolution with batch normalization and an activation, fused where runtimes fuse it."""
        fused = act if act in FUSED_ACTIVATIONS else "linear"
        tensor = self.window(
            kind, f"{kind}{len(self.ops)}", tensor, filters=filters, kernel=kernel, stride=stride,
            padding=padding, batch_norm=True, activation=fused,
        )  # fmt: skip
        return tensor if fused == act else self.function(tensor, act)

    def depthwise(self, tensor: int, kernel: int, stride: int, act: str) -> int:
        """A depthwise convolution with batch normalization and an activation."""
        return self.conv(tensor, self.shape(tensor)[-1], kernel, stride, act, kind="depthwise_conv2d")

    def function(self, tensor: int, act: str) -> int:
        """A function of each element that runtimes do not fuse."""
        return self.simple("activation", f"{act}{len(self.ops)}", tensor, activation=act)

    def pooled(self, tensor: int) -> int:
        """The mean over height and width, which stay as axes of one."""
        channels = self.shape(tensor)[-1]
        return self.simple("global_avg_pool", f"mean{len(self.ops)}", tensor, out_shape=(1, 1, channels))

    def pointwise(self, tensor: int, filters: int, act: str) -> int:
        """A 1x1 convolution with a bias and without batch normalization."""
        fused = act if act in FUSED_ACTIVATIONS else "linear"
        name = f"conv2d{len(self.ops)}"
        tensor = self.window("conv2d", name, tensor, filters=filters, bias=True, activation=fused)
        return tensor if fused == act else self.function(tensor, act)

    def squeeze_excite(self, tensor: int, squeezed: int) -> int:
        """Channels weighted by a function of their means (Hu et al. 2018; hard sigmoid as MobileNet v3)."""
        gate = self.pointwise(self.pooled(tensor), squeezed, "relu")
        gate = self.pointwise(gate, self.shape(tensor)[-1], "hard_sigmoid")
        return self.simple("mul", f"mul{len(self.ops)}", tensor, gate)

    def bottleneck(self, tensor: int, block: Bottleneck) -> int:
        """An inverted bottleneck, added to its input where the shapes agree."""
        before, shape = tensor, self.shape(tensor)
        if block.expanded != shape[-1]:
            tensor = self.conv(tensor, block.expanded, 1, 1, block.activation)
        tensor = self.depthwise(tensor, block.kernel, block.stride, block.activation)
        if block.squeezed:
            tensor = self.squeeze_excite(tensor, block.squeezed)
        tensor = self.conv(tensor, block.filters, 1, 1, "linear")
        if self.shape(tensor) == shape:
            return self.simple("add", f"add{len(self.ops)}", before, tensor)
        return tensor

    def classifier(self, tensor: int, classes: int) -> OpGraph:
        """Mean, fully connected layer and softmax."""
        channels = self.shape(tensor)[-1]
        tensor = self.simple("global_avg_pool", f"mean{len(self.ops)}", tensor, out_shape=(channels,))
        return self.softmax(self.dense("logits", tensor, classes))

    def softmax(self, tensor: int) -> OpGraph:
        """The last operation."""
        self.simple("softmax", "softmax", tensor)
        return self.finish()


def mobilenet_v1(width: float = 1.0, size: int = 224, classes: int = IMAGENET_CLASSES) -> OpGraph:
    """MobileNet v1 (Howard et al. 2017)."""
    net = _Network((size, size, 3))
    tensor = net.conv(0, int(32 * width), 3, 2, "relu6")
    strides = {128: 2, 256: 2, 512: 2, 1024: 2}
    filters_before = 64
    for filters in (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024):
        stride = strides[filters] if filters != filters_before else 1
        tensor = net.depthwise(tensor, 3, stride, "relu6")
        tensor = net.conv(tensor, int(filters * width), 1, 1, "relu6")
        filters_before = filters
    return net.classifier(tensor, classes)


def mobilenet_v2(width: float = 1.0, size: int = 224, classes: int = IMAGENET_CLASSES) -> OpGraph:
    """MobileNet v2 (Sandler et al. 2018)."""
    stages = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3),
              (6, 160, 3, 2, 3), (6, 320, 1, 1, 3))  # fmt: skip
    net = _Network((size, size, 3))
    tensor = net.conv(0, divisible(32 * width), 3, 2, "relu6")
    for expansion, filters, repeats, stride, kernel in stages:
        tensor = _stage(net, tensor, expansion, divisible(filters * width), repeats, stride, kernel)
    tensor = net.conv(tensor, divisible(1280 * max(1.0, width)), 1, 1, "relu6")
    return net.classifier(tensor, classes)


def mnasnet(width: float = 1.0, size: int = 224, classes: int = IMAGENET_CLASSES) -> OpGraph:
    """MnasNet-B1, the variant without squeeze-and-excite (Tan et al. 2019)."""
    stages = ((3, 24, 3, 2, 3), (3, 40, 3, 2, 5), (6, 80, 3, 2, 5), (6, 96, 2, 1, 3), (6, 192, 4, 2, 5),
              (6, 320, 1, 1, 3))  # fmt: skip
    net = _Network((size, size, 3))
    tensor = net.conv(0, divisible(32 * width), 3, 2, "relu")
    tensor = net.bottleneck(tensor, Bottleneck(net.shape(tensor)[-1], divisible(16 * width), 3, 1, 0, "relu"))
    for expansion, filters, repeats, stride, kernel in stages:
        filters = divisible(filters * width)
        tensor = _stage(net, tensor, expansion, filters, repeats, stride, kernel, "relu")
    tensor = net.conv(tensor, 1280, 1, 1, "relu")
    return net.classifier(tensor, classes)


EFFICIENTNET_LITE = ((1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300))
"""(width, depth, input side) of EfficientNet-lite0 to lite4."""


def efficientnet_lite(number: int, classes: int = 1000) -> OpGraph:
    """EfficientNet-lite0 to lite4 (Tan and Le 2019; the lite variants are Renjie Liu's, 2020).

    Raises:
        UnsupportedError: There is no such variant.
    """
    if not 0 <= number < len(EFFICIENTNET_LITE):
        raise UnsupportedError(f"EfficientNet-lite{number} was asked for; expected lite0 to lite4")
    width, depth, size = EFFICIENTNET_LITE[number]
    stages = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
              (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))  # fmt: skip
    net = _Network((size, size, 3))
    tensor = net.conv(0, 32, 3, 2, "relu6")
    for place, (expansion, filters, repeats, stride, kernel) in enumerate(stages):
        repeats = repeats if place in (0, len(stages) - 1) else ceil(depth * repeats)
        tensor = _stage(net, tensor, expansion, divisible(filters * width), repeats, stride, kernel)
    tensor = net.conv(tensor, 1280, 1, 1, "relu6")
    return net.classifier(tensor, classes)


_V3_LARGE = (
    (1, 16, 3, 1, 0, "relu"), (4, 24, 3, 2, 0, "relu"), (3, 24, 3, 1, 0, "relu"), (3, 40, 5, 2, 1, "relu"),
    (3, 40, 5, 1, 1, "relu"), (3, 40, 5, 1, 1, "relu"), (6, 80, 3, 2, 0, "hard_swish"),
    (2.5, 80, 3, 1, 0, "hard_swish"), (2.3, 80, 3, 1, 0, "hard_swish"), (2.3, 80, 3, 1, 0, "hard_swish"),
    (6, 112, 3, 1, 1, "hard_swish"), (6, 112, 3, 1, 1, "hard_swish"), (6, 160, 5, 2, 1, "hard_swish"),
    (6, 160, 5, 1, 1, "hard_swish"), (6, 160, 5, 1, 1, "hard_swish"),
)  # fmt: skip
_V3_SMALL = (
    (1, 16, 3, 2, 1, "relu"), (72 / 16, 24, 3, 2, 0, "relu"), (88 / 24, 24, 3, 1, 0, "relu"),
    (4, 40, 5, 2, 1, "hard_swish"), (6, 40, 5, 1, 1, "hard_swish"), (6, 40, 5, 1, 1, "hard_swish"),
    (3, 48, 5, 1, 1, "hard_swish"), (3, 48, 5, 1, 1, "hard_swish"), (6, 96, 5, 2, 1, "hard_swish"),
    (6, 96, 5, 1, 1, "hard_swish"), (6, 96, 5, 1, 1, "hard_swish"),
)  # fmt: skip


def mobilenet_v3(
    variant: str = "large",
    width: float = 1.0,
    size: int = 224,
    *,
    minimalistic: bool = False,
    classes: int = IMAGENET_CLASSES,
) -> OpGraph:
    """MobileNet v3 (Howard et al. 2019).

    Args:
        variant: ``large`` or ``small``.
        width: Factor on the channels.
        size: Side of the input image.
        minimalistic: The released variant without squeeze-and-excite, hard swish and 5x5 windows.
        classes: Classes.

    Raises:
        UnsupportedError: There is no such variant.
    """
    tables = {"large": (_V3_LARGE, 1280), "small": (_V3_SMALL, 1024)}
    if variant not in tables:
        raise UnsupportedError(f"MobileNet v3 '{variant}' was asked for; expected large or small")
    blocks, last = tables[variant]
    swish = "relu" if minimalistic else "hard_swish"
    net = _Network((size, size, 3))
    tensor = net.conv(0, 16, 3, 2, swish)
    for expansion, filters, kernel, stride, excite, activation in blocks:
        expanded = divisible(net.shape(tensor)[-1] * expansion)
        squeezed = divisible(expanded / 4) if excite and not minimalistic else 0
        act = "relu" if minimalistic else activation
        kernel = 3 if minimalistic else kernel
        block = Bottleneck(expanded, divisible(filters * width), kernel, stride, squeezed, act)
        tensor = net.bottleneck(tensor, block)
    tensor = net.conv(tensor, divisible(net.shape(tensor)[-1] * 6), 1, 1, swish)
    tensor = net.pointwise(net.pooled(tensor), divisible(last * max(1.0, width)), swish)
    tensor = net.pointwise(tensor, classes, "linear")
    return net.softmax(net.simple("reshape", "flatten", tensor, out_shape=(classes,)))


def squeezenet(size: int = 224, classes: int = 1000) -> OpGraph:
    """SqueezeNet v1.0 (Iandola et al. 2016)."""
    net = _Network((size, size, 3))
    tensor = net.window("conv2d", "conv1", 0, filters=96, kernel=7, stride=2, bias=True, activation="relu")
    squeezes = (16, 16, 32, 32, 48, 48, 64, 64)
    for place, squeezed in enumerate(squeezes):
        if place in (0, 3, 7):
            tensor = net.window("max_pool2d", f"pool{place}", tensor, kernel=3, stride=2, padding="valid")
        tensor = net.pointwise(tensor, squeezed, "relu")
        small = net.pointwise(tensor, 4 * squeezed, "relu")
        large = net.window(
            "conv2d", f"expand{place}", tensor, filters=4 * squeezed, kernel=3, bias=True, activation="relu"
        )
        both = (*net.shape(small)[:2], 8 * squeezed)
        tensor = net.simple("concat", f"concat{place}", small, large, out_shape=both)
    tensor = net.pointwise(tensor, classes, "relu")
    tensor = net.simple("global_avg_pool", "mean", tensor, out_shape=(classes,))
    return net.softmax(tensor)


def resnet50(size: int = 224, classes: int = 1000) -> OpGraph:
    """ResNet-50 v1 (He et al. 2016), its stride in the first 1x1 convolution of a stage."""
    net = _Network((size, size, 3))
    tensor = net.window("max_pool2d", "pool", net.conv(0, 64, 7, 2, "relu"), kernel=3, stride=2)
    for stage, (filters, repeats) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True)):
        for repeat in range(repeats):
            stride = 2 if stage and not repeat else 1
            short = tensor if repeat else net.conv(tensor, 4 * filters, 1, stride, "linear")
            tensor = net.conv(tensor, filters, 1, stride, "relu")
            tensor = net.conv(tensor, filters, 3, 1, "relu")
            tensor = net.conv(tensor, 4 * filters, 1, 1, "linear")
            tensor = net.simple("add", f"add{len(net.ops)}", short, tensor, activation="relu")
    return net.classifier(tensor, classes)


def _stage(
    net: _Network, tensor: int, expansion: int, filters: int, repeats: int, stride: int, kernel: int,
    activation: str = "relu6",
) -> int:  # fmt: skip
    """Bottlenecks of one stage; the first one has the stride."""
    steps: Iterable[int] = (stride, *[1] * (repeats - 1))
    for step in steps:
        expanded = net.shape(tensor)[-1] * expansion
        tensor = net.bottleneck(tensor, Bottleneck(expanded, filters, kernel, step, 0, activation))
    return tensor
