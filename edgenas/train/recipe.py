"""Recipe: how one network is trained, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any

from edgenas.errors import ConfigError
from edgenas.registry import unknown_name
from edgenas.task import Task
from edgenas.train.augment import AUGMENTATIONS, MIXUP, SHIFT

SEARCH_IMAGES = 36_000
"""Images that a candidate sees during a search by default: enough to rank small networks."""

FINAL_FACTOR = 10
"""How many times more images a winner sees than a candidate, when no time limit says otherwise."""


MOST_EPOCHS = 60
"""Epochs after which small data bring nothing more."""

LONG_EPOCHS = 100
"""Epochs of a training by `edgenas train`, unless told otherwise."""

LONG_EMA = 0.999
"""Momentum of its average of weights."""

LEARNING_RATES = {"sgd": 0.15, "adamw": 0.004}
"""Optimizers, and the peak learning rate of each for batches of 128."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is trained.

    Attributes:
        epochs: Passes; each ends with a validation.
        images_per_epoch: Training images of one epoch; later epochs go on where the last one
            stopped, so a small number sees fresh images for as long as there are any.
        batch_size: Images per step.
        learning_rate: Peak of the schedule for batches of 128, scaled with the batch size (linear
            warm-up, then cosine decay to zero, Loshchilov and Hutter 2017); None takes the optimizer's
            own of `LEARNING_RATES`.
        warmup: Share of all steps in which the learning rate rises.
        patience: Stop after this many epochs without a better validation accuracy, and go back to
            the best one; 0 never stops early.
        shift: Largest random shift of a training image, as a share of its side; 0 shifts nothing.
        augment: Names of what changes training examples, in this order (`edgenas.train.augment`); ``shift``
            is among them where ``shift`` is above 0.
        class_weights: Weight of each class in the loss; empty weighs all examples alike.
        seed: Seeds weights and the order of the images.
        share: Share of the training images that are used at all, the same random ones for every network.
        optimizer: ``sgd`` with Nesterov momentum, or ``adamw`` (Loshchilov and Hutter 2019).
        weight_decay: Pull of kernels towards zero: each step takes ``learning rate * weight_decay`` of
            them; biases and batch normalization are left alone.
        label_smoothing: Share of the label that is spread over all classes (Szegedy et al. 2016).
        ema: Momentum of the moving average of weights a step; what is validated and kept is the
            average (Polyak and Juditsky 1992); 0 averages nothing.
        distill: Weight of a teacher's answers in the loss (Hinton et al. 2015), the labels have the rest;
            0 without a teacher.
        temperature: By how much teacher and student are softened for that.
        mixed_precision: Whether a GPU calculates in float16 (``mixed_float16``).

    Raises:
        ConfigError: A number out of range.
        UnknownNameError: No such optimizer.
    """

    epochs: int
    images_per_epoch: int
    batch_size: int = 128
    learning_rate: float | None = None
    warmup: float = 0.1
    patience: int = 0
    shift: float = 0.0
    seed: int = 0
    share: float = 1.0
    optimizer: str = "sgd"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    distill: float = 0.0
    temperature: float = 2.0
    mixed_precision: bool = False
    augment: tuple[str, ...] = ()
    class_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self._settle_augmentation()
        if self.optimizer not in LEARNING_RATES:
            raise unknown_name("optimizer", self.optimizer, LEARNING_RATES)
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.optimizer])
        for name in ("epochs", "images_per_epoch", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} was given; expected 1 or more")
        for name in ("patience", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} was given; expected 0 or more")
        for name, limit in (("learning_rate", 10), ("temperature", 100)):
            if not 0 < getattr(self, name) < limit:
                raise ConfigError(
                    f"{name}={getattr(self, name)} was given; expected above 0 and below {limit}"
                )
        for name in ("warmup", "weight_decay", "label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} was given; expected 0 to below 1")
        for name, most in (("shift", 0.5), ("distill", 1)):
            if not 0 <= getattr(self, name) <= most:
                raise ConfigError(f"{name}={getattr(self, name)} was given; expected 0 to {most}")
        if not 0 < self.share <= 1:
            raise ConfigError(f"share={self.share} was given; expected above 0 and at most 1")

    def _settle_augmentation(self) -> None:
        """Make tuples of lists, and let ``shift`` and ``augment`` say the same."""
        names = tuple(self.augment)
        for name in names:
            AUGMENTATIONS.get(name)
        if self.shift > 0 and "shift" not in names:
            names = ("shift", *names)
        if "shift" in names and self.shift == 0:
            object.__setattr__(self, "shift", SHIFT)
        object.__setattr__(self, "augment", names)
        object.__setattr__(self, "class_weights", tuple(map(float, self.class_weights)))
        if not all(0 < weight < inf for weight in self.class_weights):
            raise ConfigError(f"class_weights={self.class_weights} were given; expected numbers above 0")

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of the schedule, for this batch size.

        Scaled with the size for SGD (Goyal et al. 2017), with its root for AdamW (Malladi et al. 2022).
        """
        size = self.batch_size / 128
        return (self.learning_rate or 0.0) * (size if self.optimizer == "sgd" else size**0.5)

    @property
    def softens(self) -> bool:
        """Whether the targets of the loss are shares of all classes instead of one label."""
        return self.label_smoothing > 0 or self.distill > 0 or MIXUP in self.augment

    @property
    def images(self) -> int:
        """Images of the whole training."""
        return self.epochs * self.images_per_epoch

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_json` wrote, also one of an older version.

        Raises:
            ConfigError: It lacks a field, or has one that this version does not know.
        """
        unknown = sorted(set(document) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError(
                f"a recipe with {', '.join(unknown)} was given, which this version of edgenas does not "
                "know; update edgenas"
            )
        try:
            return cls(**document)
        except TypeError as error:
            raise ConfigError(f"a damaged recipe was given ({error}); expected what edgenas wrote") from None


def batch_for(train_images: int) -> int:
    """Images per step: 128, or 64 and 32 for small data, so that an epoch has some 16 steps or more."""
    return next((size for size in (128, 64) if train_images >= 16 * size), 32)


def optimizer_for(task: str) -> str:
    """The optimizer of a task's trainings.

    Outputs without a softmax have gradients of any size, for which a fixed learning rate of plain
    momentum is too large or too small; AdamW scales each step.
    """
    return "sgd" if task == "classification" else "adamw"


def check_for_classes(task: Task, settings: Mapping[str, Any]) -> None:
    """Refuse settings that only classes have a meaning for.

    Args:
        task: What a network is for.
        settings: What the user gave, by option; empty ones were not given.

    Raises:
        ConfigError: One was given for another task than classification.
    """
    for name, value in settings.items():
        if value and task.head != "softmax":
            raise ConfigError(
                f"--{name.replace('_', '-')} was given for {task.name}; expected it for classification only"
            )


def search_recipe(
    train_images: int,
    *,
    epochs: int | None = None,
    images: int | None = None,
    class_weights: tuple[float, ...] = (),
    seed: int = 0,
    task: str = "classification",
) -> Recipe:
    """The short training of a candidate.

    Args:
        train_images: Size of the training split.
        epochs: Epochs, or None to spread `SEARCH_IMAGES` (3 to 12 epochs).
        images: Images per epoch, or None for what fits.
        class_weights: Weight of each class in the loss; empty weighs all examples alike.
        task: Name of what the network is for.
    """
    passes = epochs or max(3, min(12, round(SEARCH_IMAGES / train_images)))
    per_epoch = min(images or max(1, SEARCH_IMAGES // passes), train_images)
    batch = min(batch_for(train_images), per_epoch)
    optimizer = optimizer_for(task)
    return Recipe(passes, per_epoch, batch, class_weights=class_weights, seed=seed, optimizer=optimizer)


def long_recipe(train_images: int, epochs: int | None = None, **settings: Any) -> Recipe:
    """The training of `edgenas train`: many epochs on all images, with averaged weights.

    Args:
        train_images: Size of the training split.
        epochs: Epochs, or None for `LONG_EPOCHS`.
        settings: Other fields of the recipe; those that are None keep their defaults.
    """
    passes = LONG_EPOCHS if epochs is None else epochs
    patience, batch = max(5, passes // 2), batch_for(train_images)
    augment = () if settings.get("shift") == 0 else ("shift",)
    defaults = {"batch_size": batch, "patience": patience, "augment": augment, "ema": LONG_EMA}
    chosen = {name: value for name, value in settings.items() if value is not None}
    return Recipe(passes, train_images, **{**defaults, **chosen})


def final_recipe(
    train_images: int,
    search: Recipe,
    *,
    epochs: int | None = None,
    seconds: float | None = None,
    images_per_second: float | None = None,
    shift: float = 0.0,
    augment: tuple[str, ...] = ("shift",),
    class_weights: tuple[float, ...] = (),
    seed: int = 0,
) -> Recipe:
    """The long training of a winner, on all training images, with early stopping.

    Args:
        train_images: Size of the training split.
        search: The recipe of the search, which the default length is a multiple of.
        epochs: Epochs, or None.
        seconds: Time for this training; with ``images_per_second`` it sets the epochs.
        images_per_second: Speed measured when this network was trained in the search.
        shift: Largest random shift of a training image, as a share of its side; 0 leaves it to ``augment``.
        augment: Names of what changes training examples; the default is for images.
        class_weights: Weight of each class in the loss; empty weighs all examples alike.
    """
    if epochs is None:
        images = FINAL_FACTOR * search.images
        if seconds is not None and images_per_second:
            images = min(4 * images, int(seconds * images_per_second))
        epochs = max(3, min(MOST_EPOCHS, round(images / train_images)))
    patience = max(5, epochs // 2)
    return Recipe(
        epochs, train_images, batch_for(train_images), patience=patience, shift=shift, seed=seed,
        augment=augment, class_weights=class_weights, optimizer=search.optimizer,
    )  # fmt: skip
