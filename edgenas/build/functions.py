"""Activation functions that runtimes have and tf_keras does not, in one form for both Keras."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from edgenas.arch.graph import Op
from edgenas.errors import UnsupportedError

Tensor = Any


def activation_function(keras_module: ModuleType, op: Op) -> Callable[[Tensor], Tensor]:
    """The function of an operation, for a Keras layer ``Activation``.

    Args:
        keras_module: ``keras`` or ``tf_keras``.
        op: An operation whose activation is not linear.

    Raises:
        UnsupportedError: Keras has no function of that name.
    """
    if op.activation == "hard_swish":
        return _hard_swish(keras_module)
    function = getattr(keras_module.activations, op.activation, None)
    if function is None:
        raise UnsupportedError(
            f"activation '{op.activation}' ({op.name}) cannot be built; expected relu, relu6, hard_swish or "
            "a function of keras.activations"
        )
    return function  # type: ignore[no-any-return]


def _hard_swish(keras_module: ModuleType) -> Callable[[Tensor], Tensor]:
    """``x * relu6(x + 3) / 6`` (Howard et al. 2019); converters make one operation of it."""
    own = getattr(keras_module.activations, "hard_silu", None)
    if own is not None:
        return own  # type: ignore[no-any-return]
    relu = keras_module.activations.relu

    def hard_swish(values: Tensor) -> Tensor:
        return values * relu(values + 3.0, max_value=6.0) / 6.0

    return hard_swish
