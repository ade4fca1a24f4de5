"""Recurrent layers on their way into a file: one operation where TFLite has one, else written out.

TensorFlow's converter makes a TFLite LSTM of tf_keras' layer, as long as the model's function is not
frozen first. Every other recurrent layer becomes a loop, which int8 quantization and TFLite Micro do not
take (TensorFlow 2.21's converter crashes on it); written out, step after step, it becomes dense layers and
elementwise functions.
"""

from __future__ import annotations

import sys
from typing import Any

_WRITTEN_OUT = ("LSTM", "GRU", "SimpleRNN")


def has_fused_lstm(model: Any) -> bool:
    """Whether a model holds an LSTM that the converter makes one operation of."""
    return _is_tf_keras(model) and any(
        _kind(layer) == "LSTM" and not layer.unroll for layer in _layers(model)
    )


def written_out(model: Any) -> Any:
    """The model with its recurrent layers unrolled and the same weights; itself if it has none."""
    loops = [layer for layer in _layers(model) if _kind(layer) in _WRITTEN_OUT and not layer.unroll]
    if not loops:
        return model

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if layer in loops:
            config["unroll"] = True
        return type(layer).from_config(config)

    copy = _models_of(model).clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def _layers(model: Any) -> list[Any]:
    return list(getattr(model, "layers", ()))


def _kind(layer: Any) -> str:
    return type(layer).__name__


def _is_tf_keras(model: Any) -> bool:
    tf_keras = sys.modules.get("tf_keras")
    return tf_keras is not None and isinstance(model, tf_keras.Model)


def _models_of(model: Any) -> Any:
    if _is_tf_keras(model):
        return sys.modules["tf_keras"].models
    return sys.modules["keras"].models
