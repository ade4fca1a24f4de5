"""Heritage: what a training begins with instead of random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.errors import StoreError, TrialError
from edgenas.train.identity import Layers
from edgenas.train.morph import Inherited, Morph
from edgenas.train.weights import load_weights

__all__ = ["Heritage", "Inherited"]


@dataclass(frozen=True)
class Heritage:
    """Weights of a network that was trained before.

    Attributes:
        spec: The network they are of.
        path: The file that `edgenas.train.weights.save_weights` wrote.
    """

    spec: ArchSpec
    path: Path

    @property
    def key(self) -> list[str]:
        """Names it in the key of a checkpoint."""
        return [self.spec.arch_id, self.path.name]

    def hand_to(self, model: Any, spec: ArchSpec) -> Inherited:
        """Give the weights to a model of the same network, or what fits to one of another network.

        What another network takes, and when it computes what this one computed, says
        `edgenas.train.morph`.

        Returns:
            How much was taken.

        Raises:
            TrialError: The file cannot be read, or holds the weights of something else.
        """
        try:
            weights = load_weights(self.path)
            if spec.arch_id == self.spec.arch_id:
                model.set_weights(weights)
                return Inherited(1.0, True)
            parent = _layers_of(self.spec, weights)
        except (StoreError, ValueError) as error:
            raise TrialError(f"weights {self.path} cannot be taken over: {error}") from error
        layers = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
        found = Morph(self.spec, parent, spec, layers).run()
        for layer in model.layers:
            if layer.weights:
                layer.set_weights(layers[layer.name])
        return found


def _layers_of(spec: ArchSpec, weights: list[Any]) -> Layers:
    """Weights by layer; a model of the network tells which are whose."""
    import keras

    model = build_model(spec, keras)
    model.set_weights(weights)
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
