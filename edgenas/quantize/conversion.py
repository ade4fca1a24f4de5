"""From a Keras model to a ``.tflite`` file, with batch 1: the one place that runs TensorFlow's converter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from edgenas.arch.graph import Shape
from edgenas.captured import conversion_errors
from edgenas.errors import UnsupportedError
from edgenas.quantize.recurrent import has_fused_lstm, written_out
from edgenas.quantize.splits import without_splits

INPUT_NAME = "input"


def convert(
    model: Any, input_shape: Shape, step: str, configure: Callable[[Any], None] = lambda converter: None
) -> bytes:
    """Convert a model whose weights are trained.

    The model's function is frozen first (its variables become constants), which serves tf_keras and
    Keras 3 alike and takes 0.2 s where the way over a SavedModel takes 5 s. A function with an LSTM of
    tf_keras is not, see `edgenas.quantize.recurrent`.

    Args:
        model: A tf_keras model, or a Keras 3 model on TensorFlow.
        input_shape: What it reads, batch axis left out.
        step: What to call this conversion in an error.
        configure: Sets options of the ``tf.lite.TFLiteConverter``.

    Returns:
        The file as the converter writes it; input and output have a batch axis of 1.

    Raises:
        UnsupportedError: The model runs on another backend than TensorFlow, or the converter
            cannot handle one of its operations.
    """
    _require_tensorflow(model)
    with conversion_errors(step, "leave out or replace the operation it names"):
        import tensorflow as tf

        if has_fused_lstm(model):
            function = _concrete(model, input_shape)
            trackable = tf.Module()  # only the variables: a whole tf_keras model takes ten times as long
            trackable.held = model.variables
        else:
            function, trackable = frozen(written_out(model), input_shape), None
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], trackable)
        configure(converter)
        return bytes(converter.convert())


def frozen(model: Any, input_shape: Shape) -> Any:
    """The model's function for one image, with its variables as constants and its splits as slices."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return without_splits(convert_variables_to_constants_v2(_concrete(model, input_shape)))


def _concrete(model: Any, input_shape: Shape) -> Any:
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *input_shape), tf.float32, name=INPUT_NAME)]
    function = tf.function(lambda images: model(images, training=False), input_signature=signature)
    return function.get_concrete_function()


def _require_tensorflow(model: Any) -> None:
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(model, keras.Model):
        return
    if (backend := keras.backend.backend()) != "tensorflow":
        raise UnsupportedError(
            f"a Keras 3 model on the backend '{backend}' was given; only TensorFlow's can be converted: "
            "set KERAS_BACKEND=tensorflow and export again"
        )
