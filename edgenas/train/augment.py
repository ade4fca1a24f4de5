"""Augmentation: changes to training examples that leave their class alone, by name and kind of data.

Each one takes a batch of prepared examples, float32, and a random generator, and gives a new batch of the
same shape. They are plain NumPy over whole batches. ``mixup`` alone changes the targets too
(`Augmenter.mixed`). Sizes are those of the papers named, or small ones where a paper leaves them open; none
was tuned on a test set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgenas.errors import ConfigError
from edgenas.registry import Registry
from edgenas.train.augment_images import cutout, flip, random_shift
from edgenas.train.augment_series import jitter, masks, noise, scaling, time_shift, time_warp

Apply = Callable[[np.ndarray, np.random.Generator], np.ndarray]

SHIFT = 1 / 12
"""Largest random shift in final trainings: one pixel of digits' 8, two of 28. With two networks and two seeds
it brought 0.6 to 2.2 points of validation accuracy on digits."""

MIXUP = "mixup"
MIXUP_ALPHA = 0.2
"""Both parameters of the Beta distribution that the share of the other example comes from."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """One way to change training examples.

    Attributes:
        kinds: Kinds of data that it is for.
        apply: Changes a batch.
        about: What it does, and the paper it comes from.
    """

    kinds: tuple[str, ...]
    apply: Apply
    about: str


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")
_ENTRIES = {
    "shift": (
        ("image",), lambda x, rng: random_shift(x, SHIFT, rng),
        "moves an image by whole pixels, edges repeated; as cropping a padded image does",
    ),
    "flip": (("image",), flip, "mirrors half of the images, left to right"),
    "cutout": (("image",), cutout, "covers a square with the mean (DeVries, Taylor 2017)"),
    "time-shift": (("audio", "series"), time_shift, "moves it in time by up to a tenth, ends repeated"),
    "masks": (("audio",), masks, "covers some frames and some bands (SpecAugment, Park et al. 2019)"),
    "noise": (("audio",), noise, "adds Gaussian noise of 2 % of the full range to a spectrogram"),
    "jitter": (("series", "features"), jitter, "adds noise of 3 % of a standard deviation (Um et al. 2017)"),
    "scaling": (("series",), scaling, "scales each channel by a factor near 1 (Um et al. 2017)"),
    "time-warp": (("series",), time_warp, "runs time faster and slower in turn, smoothly (Um et al. 2017)"),
    MIXUP: (
        ("image", "audio", "series", "features"), lambda x, rng: x,
        "mixes pairs of examples and of their labels (Zhang et al. 2018)",
    ),
}  # fmt: skip
for _name, (_kinds, _apply, _about) in _ENTRIES.items():
    AUGMENTATIONS.register(_name)(Augmentation(_kinds, _apply, _about))

AUTO = {"image": ("shift",), "audio": ("time-shift", "masks"), "series": ("jitter",), "features": ()}
"""What final trainings use by kind where nothing is asked for. Only that of images was measured."""


def augmentations_for(
    kind: str,
    asked: Sequence[str] | None = None,
    shift: float | None = None,
    task: str = "classification",
) -> tuple[str, ...]:
    """Names of the augmentations of a training.

    Args:
        kind: Kind of the data.
        asked: Names; ``auto`` among them stands for those of `AUTO`, ``none`` alone for nothing; None is
            ``auto``.
        shift: Largest shift of images that the user asked for; 0 takes ``shift`` out of ``auto``.
        task: Name of what the network is for; ``auto`` changes nothing for any but classification, as a
            target may say where something is.

    Raises:
        UnknownNameError: No such augmentation.
        ConfigError: One that is not for this kind of data, or a shift of what is no image.
    """
    if shift and kind != "image":
        raise ConfigError(f"a shift of {shift:g} was given for data of kind {kind}; expected only for images")
    names: list[str] = []
    for name in asked or ("auto",):
        if name == "auto":
            suited = AUTO.get(kind, ()) if task == "classification" else ()
            names += [one for one in suited if one != "shift" or shift != 0]
        elif name == MIXUP and task != "classification":
            raise ConfigError(
                f"augmentation '{name}' was given for {task}; expected it for classification only"
            )
        elif name != "none":
            names.append(name)
    for name in names:
        if kind not in AUGMENTATIONS.get(name).kinds:
            fitting = [one for one in AUGMENTATIONS.names() if kind in AUGMENTATIONS.get(one).kinds]
            raise ConfigError(
                f"augmentation '{name}' was given for data of kind {kind}; "
                f"expected some of {', '.join(fitting)}"
            )
    if shift == 0 and "shift" in names:
        raise ConfigError("augmentation 'shift' and a shift of 0 were given; leave one of them out")
    if shift and "shift" not in names:
        names.insert(0, "shift")
    return tuple(dict.fromkeys(names))


class Augmenter:
    """The augmentations of one training.

    Args:
        names: In the order in which they are applied.
        shift: Largest shift of images, as a share of the side.
    """

    def __init__(self, names: Sequence[str], shift: float = SHIFT) -> None:
        def shifted(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            return random_shift(x, shift, rng)

        self._changes = [
            shifted if name == "shift" else AUGMENTATIONS.get(name).apply for name in names if name != MIXUP
        ]
        self._mixes = MIXUP in names

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A changed batch of the same shape; ``x`` is left as it is."""
        for change in self._changes:
            x = change(x, rng)
        return x

    def mixed(self, parts: Sequence[np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Examples, targets and weights of a batch, mixed in the same way, if mixup is among the names.

        The targets must be shares of classes then, not whole numbers.
        """
        if not self._mixes:
            return tuple(parts)
        share = np.float32(rng.beta(MIXUP_ALPHA, MIXUP_ALPHA))
        other = rng.permutation(len(parts[0]))
        return tuple(share * part + (1 - share) * part[other] for part in parts)
