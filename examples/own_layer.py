"""Your own layer and block: an operation that edgenas builds no layer for, with costs, files and proof.

`space_to_depth` turns every 2x2 pixels into one place with four times the channels: half the side and no
weights. Its costs are known to edgenas, a Keras layer is not: this file adds one, and a block that uses it.

    python -m pytest examples/own_layer_test.py        # the contracts over it
    python examples/own_space.py search --data digits  # a space that uses it

docs/own_layer.md explains every step.
"""

from edgenas.arch.blocks import BLOCKS
from edgenas.build.builder import EMITTERS
from edgenas.build.keras_layers import LAYERS


def space_to_depth(keras_module, op, inputs):
    """The layer of one operation, for Keras 3 (training) and tf_keras (conversion) alike."""
    import tensorflow as tf

    class SpaceToDepth(keras_module.layers.Layer):
        def call(self, images):
            return tf.nn.space_to_depth(images, 2)

    return SpaceToDepth(name=op.name)(inputs[0])


def patches(builder, tensor, name, *, filters):
    """A block: 2x2 pixels become channels, then a pointwise convolution mixes them."""
    height, width, channels = builder.shape(tensor)
    out = (height // 2, width // 2, 4 * channels)
    folded = builder.simple("space_to_depth", f"{name}_fold", tensor, out_shape=out)
    return builder.window(
        "conv2d", f"{name}_mix", folded, filters=filters, batch_norm=True, activation="relu6"
    )


def read_space_to_depth(reader, layer, inputs):
    """The other way: from a Keras layer of that name, in a model of your own, to the operation."""
    height, width, channels = reader.graph.shape(inputs[0])
    out = (height // 2, width // 2, 4 * channels)
    return reader.graph.simple("space_to_depth", layer.name, inputs[0], out_shape=out)


EMITTERS["space_to_depth"] = space_to_depth
BLOCKS["patches"] = patches
LAYERS["SpaceToDepth"] = read_space_to_depth
