"""Blocks: what an `ArchSpec` is written in, each a function that appends operations to a graph.

A block is called as ``block(builder, tensor, name, **args)``, reads tensor ``tensor`` and returns
the id of the tensor it wrote. Convolutions carry a batch normalization and ReLU6, which int8
runtimes fuse into one operation. Sources: depthwise-separable, Howard et al. 2017 (MobileNet);
inverted bottleneck (MBConv), Sandler et al. 2018 (MobileNetV2).
"""

from __future__ import annotations

from collections.abc import Callable

from edgenas.arch.graph import GraphBuilder

BlockFunction = Callable[..., int]
BLOCKS: dict[str, BlockFunction] = {}


def _block(kind: str) -> Callable[[BlockFunction], BlockFunction]:
    def add(function: BlockFunction) -> BlockFunction:
        BLOCKS[kind] = function
        return function

    return add


@_block("stem")
def stem(builder: GraphBuilder, tensor: int, name: str, *, filters: int, kernel: int, stride: int) -> int:
    """Full convolution that first reads the image."""
    return builder.window(
        "conv2d", f"{name}_conv", tensor, filters=filters, kernel=kernel, stride=stride,
        batch_norm=True, activation="relu6",
    )  # fmt: skip


@_block("ds")
def depthwise_separable(
    builder: GraphBuilder, tensor: int, name: str, *, filters: int, kernel: int, stride: int, skip: bool
) -> int:
    """Depthwise convolution, then a pointwise one; added to its input if ``skip`` and the shapes agree."""
    hidden = builder.window(
        "depthwise_conv2d", f"{name}_dw", tensor, kernel=kernel, stride=stride,
        batch_norm=True, activation="relu6",
    )  # fmt: skip
    joined = skip and builder.shape(tensor) == (*builder.shape(hidden)[:2], filters)
    out = builder.window(
        "conv2d", f"{name}_pw", hidden, filters=filters,
        batch_norm=True, activation="linear" if joined else "relu6",
    )  # fmt: skip
    return builder.simple("add", f"{name}_add", tensor, out) if joined else out


@_block("mbconv")
def inverted_bottleneck(
    builder: GraphBuilder, tensor: int, name: str,
    *, filters: int, kernel: int, stride: int, expansion: int, skip: bool,
) -> int:  # fmt: skip
    """Pointwise expansion, depthwise convolution, linear pointwise projection, optional skip."""
    hidden = builder.window(
        "conv2d", f"{name}_expand", tensor, filters=builder.shape(tensor)[-1] * expansion,
        batch_norm=True, activation="relu6",
    )  # fmt: skip
    hidden = builder.window(
        "depthwise_conv2d", f"{name}_dw", hidden, kernel=kernel, stride=stride,
        batch_norm=True, activation="relu6",
    )  # fmt: skip
    out = builder.window("conv2d", f"{name}_project", hidden, filters=filters, batch_norm=True)
    if skip and builder.shape(tensor) == builder.shape(out):
        return builder.simple("add", f"{name}_add", tensor, out)
    return out


@_block("head")
def classifier_head(
    builder: GraphBuilder, tensor: int, name: str, *, classes: int, activation: str = "softmax"
) -> int:
    """Global average pooling, a fully connected layer and softmax, or no softmax if ``linear``."""
    pooled = builder.simple("global_avg_pool", f"{name}_pool", tensor, out_shape=builder.shape(tensor)[-1:])
    logits = builder.dense(f"{name}_dense", pooled, classes)
    return logits if activation == "linear" else builder.simple("softmax", f"{name}_softmax", logits)
