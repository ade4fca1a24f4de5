"""Fidelity: how much of a full training a candidate gets, and what that means for its recipe.

A result of a lower fidelity says which candidates deserve more; it never stands beside results of
another fidelity. What is cut can be the length of the training, the training images, or the
resolution of the images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgenas.arch.graph import Shape
from edgenas.arch.spec import ArchSpec
from edgenas.errors import ConfigError
from edgenas.registry import unknown_name
from edgenas.train.recipe import Recipe

REDUCTION = 3
"""One in so many candidates of a rung is promoted to the next one (Li et al. 2020 use 3 or 4)."""

SMALLEST_SIDE = 8
"""Fewest pixels a side that a lower resolution leaves."""

RUNGS = {"epochs": (1 / 9, 1 / 3, 1.0), "images": (1 / 9, 1 / 3, 1.0), "resolution": (0.5, 1.0)}
"""Fidelities by what is cut, lowest first."""


@dataclass(frozen=True)
class Ladder:
    """The fidelities of a search.

    Attributes:
        knob: What is cut: ``epochs`` (length of the training; below one epoch, images of it),
            ``images`` (a fixed share of the training images, as often as in the full training) or
            ``resolution`` (sides of the images; the network's weights stay the same).
        rungs: Fidelities, lowest first, the last one 1.

    Raises:
        UnknownNameError: Something else is to be cut.
    """

    knob: str

    def __post_init__(self) -> None:
        if self.knob not in RUNGS:
            raise unknown_name("fidelity", self.knob, RUNGS)

    @property
    def rungs(self) -> tuple[float, ...]:
        """Fidelities, lowest first; the last one is the full training."""
        return RUNGS[self.knob]

    def check(self, input_shape: Shape, recipe: Recipe) -> None:
        """Make sure that trainings can be cut, before a search starts.

        Raises:
            ConfigError: The recipe is too short, or the images too small.
        """
        least = self.rungs[0]
        if self.knob == "resolution":
            if len(input_shape) != 3 or min(input_shape[:2]) * least < SMALLEST_SIDE:
                raise ConfigError(
                    f"images of {'x'.join(map(str, input_shape))} cannot be cut to {least:g} of their sides; "
                    f"expected at least {round(SMALLEST_SIDE / least)} pixels: use --halving epochs"
                )
        elif round(recipe.images * least) < recipe.batch_size:
            raise ConfigError(
                f"a training of {recipe.images} images cannot be cut to {least:.2g} of it: that is less than "
                f"one batch of {recipe.batch_size}; search without --halving or with more --epochs"
            )

    def training(self, spec: ArchSpec, recipe: Recipe, fidelity: float) -> tuple[ArchSpec, Recipe]:
        """The network and the recipe of a training at a fidelity; see `check`."""
        if fidelity >= 1:
            return spec, recipe
        if self.knob == "resolution":
            return _at_resolution(spec, fidelity), recipe
        images = round(recipe.images * fidelity)
        if self.knob == "images":
            per_epoch = max(recipe.batch_size, round(recipe.images_per_epoch * fidelity))
            return spec, replace(recipe, images_per_epoch=per_epoch, share=fidelity)
        epochs = max(1, round(recipe.epochs * fidelity))
        per_epoch = min(recipe.images_per_epoch, round(images / epochs))
        return spec, replace(recipe, epochs=epochs, images_per_epoch=per_epoch)


def _at_resolution(spec: ArchSpec, fidelity: float) -> ArchSpec:
    *sides, channels = spec.input_shape
    smaller = [max(round(side * fidelity), min(side, SMALLEST_SIDE)) for side in sides]
    return replace(spec, input_shape=(*smaller, channels))
