"""Heritage: what a training begins with instead of random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgenas.arch.spec import ArchSpec
from edgenas.errors import TrialError
from edgenas.train.weights import load_weights


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

    def hand_to(self, model: Any, spec: ArchSpec) -> None:
        """Give the weights to a model of the same network.

        Raises:
            TrialError: The model is another network, or the file cannot be read.
        """
        if spec.arch_id != self.spec.arch_id:
            raise TrialError(f"weights of network {self.spec.arch_id} were given to network {spec.arch_id}")
        try:
            model.set_weights(load_weights(self.path))
        except (OSError, ValueError) as error:
            raise TrialError(f"weights {self.path} cannot be taken over: {error}") from error
