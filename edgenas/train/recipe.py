"""Recipe: how one network is trained, as a value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgenas.errors import ConfigError
from edgenas.registry import unknown_name

SEARCH_IMAGES = 36_000
"""Images that a candidate sees during a search by default: enough to rank small networks."""

FINAL_FACTOR = 10
"""How many times more images a winner sees than a candidate, when no time limit says otherwise."""


MOST_EPOCHS = 60
"""Epochs after which small data bring nothing more."""

SHIFT = 1 / 12
"""Largest random shift in final trainings: one pixel of digits' 8, two of 28. With two networks and two seeds
it brought 0.6 to 2.2 points of validation accuracy on digits."""


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
        seed: Seeds weights and the order of the images.
        share: Share of the training images that are used at all, the same random ones for every network.
        optimizer: ``sgd`` with Nesterov momentum, or ``adamw`` (Loshchilov and Hutter 2019).
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

    def __post_init__(self) -> None:
        if self.optimizer not in LEARNING_RATES:
            raise unknown_name("optimizer", self.optimizer, LEARNING_RATES)
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.optimizer])
        for name in ("epochs", "images_per_epoch", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} was given; expected 1 or more")
        if not 0 < (self.learning_rate or 0.0) < 10:
            raise ConfigError(f"learning_rate={self.learning_rate} was given; expected above 0 and below 10")
        if not 0 <= self.shift <= 0.5:
            raise ConfigError(f"shift={self.shift} was given; expected 0 to 0.5")
        if not 0 < self.share <= 1:
            raise ConfigError(f"share={self.share} was given; expected above 0 and at most 1")

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of the schedule, for this batch size."""
        return (self.learning_rate or 0.0) * self.batch_size / 128

    @property
    def images(self) -> int:
        """Images of the whole training."""
        return self.epochs * self.images_per_epoch

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return asdict(self)


def batch_for(train_images: int) -> int:
    """Images per step: 128, or 64 and 32 for small data, so that an epoch has some 16 steps or more."""
    return next((size for size in (128, 64) if train_images >= 16 * size), 32)


def optimizer_for(task: str) -> str:
    """The optimizer of a task's trainings.

    Outputs without a softmax have gradients of any size, for which a fixed learning rate of plain
    momentum is too large or too small; AdamW scales each step.
    """
    return "sgd" if task == "classification" else "adamw"


def search_recipe(
    train_images: int,
    *,
    epochs: int | None = None,
    images: int | None = None,
    seed: int = 0,
    task: str = "classification",
) -> Recipe:
    """The short training of a candidate.

    Args:
        train_images: Size of the training split.
        epochs: Epochs, or None to spread `SEARCH_IMAGES` (3 to 12 epochs).
        images: Images per epoch, or None for what fits.
        task: Name of what the network is for.
    """
    passes = epochs or max(3, min(12, round(SEARCH_IMAGES / train_images)))
    per_epoch = min(images or max(1, SEARCH_IMAGES // passes), train_images)
    batch = min(batch_for(train_images), per_epoch)
    return Recipe(passes, per_epoch, batch, seed=seed, optimizer=optimizer_for(task))


def final_recipe(
    train_images: int,
    search: Recipe,
    *,
    epochs: int | None = None,
    seconds: float | None = None,
    images_per_second: float | None = None,
    shift: float = SHIFT,
    seed: int = 0,
) -> Recipe:
    """The long training of a winner, on all training images, with early stopping.

    Args:
        train_images: Size of the training split.
        search: The recipe of the search, which the default length is a multiple of.
        epochs: Epochs, or None.
        seconds: Time for this training; with ``images_per_second`` it sets the epochs.
        images_per_second: Speed measured when this network was trained in the search.
        shift: Largest random shift of a training image, as a share of its side.
    """
    if epochs is None:
        images = FINAL_FACTOR * search.images
        if seconds is not None and images_per_second:
            images = min(4 * images, int(seconds * images_per_second))
        epochs = max(3, min(MOST_EPOCHS, round(images / train_images)))
    patience = max(5, epochs // 2)
    return Recipe(
        epochs, train_images, batch_for(train_images), patience=patience, shift=shift, seed=seed,
        optimizer=search.optimizer,
    )  # fmt: skip
