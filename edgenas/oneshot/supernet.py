"""The training of a supernet: shared weights that serve the networks of a space within the budgets.

Each step trains four networks on one batch: one of the largest, one of the smallest and two random ones (the
sandwich rule, Yu and Huang 2019); the large one learns the labels, the others its answers as well (in-place
distillation), once it has answers to give. The largest networks of a space such as `micro` are far too slow;
so "largest" is another one of the top tenth of a pool in each step, and the pools hold only networks that fit
the budgets. Pools, one a region (`edgenas.oneshot.frames`), share nothing and take turns.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.errors import TrialError
from edgenas.oneshot.descent import Descent, rate_at
from edgenas.oneshot.elastic import Part, SharedWeights, parts_of
from edgenas.oneshot.forward import Learning, learning, not_rewritten
from edgenas.oneshot.pool import covering
from edgenas.train.batches import Walk
from edgenas.train.checkpoint import Checkpoint, Standing
from edgenas.train.job import DataFor, Job
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import Progress, TrainResult

IMAGES = 48_000
"""Images that a supernet sees, all its pools together, each by four networks: as much as five candidates'
trainings."""

FEWEST_EPOCHS, MOST_EPOCHS = 12, 30
"""Between these lie the passes; the standing is kept after each."""

TRAINED = 80
FEWEST_TRAINED = 40
"""Networks of all pools that are trained, and how many of each at least; each takes a quarter of a second to
make ready."""

SUPERNET_BATCH = 32
"""Images a step: the weights that networks share need many steps rather than exact ones."""

BRIEF_BATCH = 64
"""Images a step of a moment of training: half as many steps see as many images in two thirds of the time."""

EDGE = 0.1
"""Share of the pool that counts as the largest, and as the smallest."""

BATCH_BYTES = 2**30
"""Memory that the tensors of one network on one batch may take; `micro` at 28x28 needs a tenth."""

TENSORS = 3
"""Tensors that an operation leaves for its gradient: before and after normalization, and activated."""

DISTILL, DISTILLED_FROM = 0.5, 0.3
"""Weight of the largest network's answers in the loss of the others, the labels have the rest; and the share
of the training from which on it counts, as a network that knows nothing yet holds the others back."""


@dataclass(frozen=True, slots=True)
class Member:
    """A network ready to be trained: its operations, the tensors they need, what gives their gradients."""

    spec: ArchSpec
    graph: OpGraph
    parts: tuple[Part, ...]
    learn: Learning


def supernet_recipe(
    train_images: int, search: Recipe, *, epochs: int | None = None, learning_rate: float | None = None
) -> Recipe:
    """How a supernet is trained.

    Args:
        train_images: Size of the training split.
        search: How a candidate would be trained; class weights and seed are taken from it.
        epochs: Passes, or None for what spreads `IMAGES`.
        learning_rate: Peak for batches of 128, or None for the optimizer's own.
    """
    fewest = max(FEWEST_EPOCHS, min(MOST_EPOCHS, round(IMAGES / train_images)))
    per_epoch = min(train_images, IMAGES // fewest)
    return Recipe(
        epochs or fewest, per_epoch, min(SUPERNET_BATCH, per_epoch), learning_rate=learning_rate,
        seed=search.seed, class_weights=search.class_weights,
    )  # fmt: skip


@dataclass(frozen=True)
class SupernetJob(Job):
    """Trains a supernet; what it leaves are the shared tensors in the order of their names.

    Attributes:
        space: Says what two networks share.
        pools: The networks in play, fewest MACs first; those of different pools share no tensor. Tensors are
            as large as the largest of them needs; `TRAINED` of them are trained.
        shrinking: Whether only the largest third trains at first, and smaller ones join (progressive
            shrinking, after Cai et al. 2020).
        seconds: Time for the training, or None; the learning rate falls by the clock if that is earlier.
    """

    space: SearchSpace | None = None
    pools: tuple[tuple[ArchSpec, ...], ...] = ()
    shrinking: bool = False
    seconds: float | None = None

    @property
    def key(self) -> str:
        """Tells this training from others in a checkpoint."""
        pools = [" ".join(spec.arch_id for spec in pool) for pool in self.pools]
        return hashlib.sha256("|".join([super().key, str(self.shrinking), *pools]).encode()).hexdigest()

    def perform(self, data_for: DataFor, on_epoch: Progress) -> tuple[TrainResult, list[np.ndarray]]:
        """Train all networks at once.

        Raises:
            TrialError: A loss became NaN or infinite; the message has the step and the widest path.
            StoreError: The checkpoint cannot be written.
        """
        course = Supernet(self, data_for)
        course.run(on_epoch)
        return course.result(), list(course.weights.arrays.values())


class Supernet:
    """One supernet in training.

    Args:
        job: What to train, and how.
        data_for: Examples of every resolution in play.
        weights: What the shared tensors begin with; None begins with random ones.

    Attributes:
        weights: The shared tensors.
        history: One entry an epoch with the ``loss`` of the largest networks.
    """

    def __init__(self, job: SupernetJob, data_for: DataFor, weights: SharedWeights | None = None) -> None:
        assert job.space is not None
        self.job, self.space, self._data_for = job, job.space, data_for
        self.weights = weights or SharedWeights.fresh(
            job.space, chain.from_iterable(job.pools), job.recipe.seed
        )
        self.descent = Descent(self.weights)
        self.history: list[dict[str, float]] = []
        self._ready = 0.0
        self._seconds, self._started, self._limit = 0.0, time.perf_counter(), job.seconds
        self._members: dict[str, Member] = {}
        number = max(FEWEST_TRAINED, TRAINED // len(job.pools))
        self._pools = [covering(job.space, pool, number) for pool in job.pools]
        self._checkpoint = Checkpoint(job.checkpoint_path, job.key) if job.checkpoint_path else None
        if self._checkpoint and (standing := self._checkpoint.load()):
            self._go_on_from(standing)

    @property
    def seconds(self) -> float:
        """Wall time of the steps so far, those before a stop included."""
        return self._seconds + time.perf_counter() - self._started

    @property
    def steps(self) -> int:
        """Batches an epoch, at least one a pool."""
        batches = self.job.recipe.images_per_epoch // self.job.recipe.batch_size
        return max(len(self.job.pools), batches)

    def progress(self, epoch: int, step: int) -> float:
        """Share of the training that is done, by steps or by the clock, whichever is further."""
        done = (epoch * self.steps + step) / (self.job.recipe.epochs * self.steps)
        return min(1.0, max(done, self.seconds / self._limit if self._limit else 0.0))

    def run(self, on_epoch: Progress) -> None:
        """Train what is left of the epochs."""
        with not_rewritten():
            self._run(on_epoch)

    def _run(self, on_epoch: Progress) -> None:
        recipe = self.job.recipe
        images, labels = self._data_for(self.job.spec.input_shape)[0]
        self._make_ready()
        walk = Walk(images, labels, recipe, self.steps)
        while not self._is_over(recipe.epochs):
            epoch = len(self.history)
            losses = [self._step(walk, epoch, 0)]
            for step in range(1, self.steps):
                if step >= len(self.job.pools) and self.progress(epoch, step) >= 1:
                    break
                losses.append(self._step(walk, epoch, step))
            self.history.append({"loss": float(np.mean(losses))})
            if self._checkpoint:
                self._checkpoint.save(self._standing(self._checkpoint.key))
            on_epoch({"epoch": epoch + 1, "epochs": recipe.epochs, **self.history[-1]})

    def _make_ready(self) -> None:
        """Trace all networks; the schedule by the clock is for what is left of the time."""
        for spec in chain.from_iterable(self._pools):
            self._member(spec)
        self._ready, self._started = time.perf_counter() - self._started, time.perf_counter()
        if self._limit:
            self._limit = max(self._limit / 4, self._limit - self._ready)

    def _is_over(self, epochs: int) -> bool:
        """Whether nothing is left to train; one epoch is begun however little time there is."""
        begun = len(self.history)
        return begun >= epochs or (begun > 0 and self.progress(begun, 0) >= 1)

    def result(self) -> TrainResult:
        """How the training went; what a supernet's accuracy is, only its networks' scores can say."""
        seen = len(self.history) * self.steps * self.job.recipe.batch_size
        loss = self.history[-1]["loss"]
        return TrainResult(
            None, loss, None, len(self.history), len(self.history) < self.job.recipe.epochs,
            self._ready + self.seconds, seen / self.seconds, self.history,
        )  # fmt: skip

    def _step(self, walk: Walk, epoch: int, step: int) -> float:
        """Train four networks on one batch; the loss of the largest."""
        recipe, progress = self.job.recipe, self.progress(epoch, step)
        positions = walk.positions(epoch, step)
        rng = np.random.default_rng([recipe.seed, epoch, step])
        soft, first = None, math.nan
        pool = self._pools[(epoch * self.steps + step) % len(self._pools)]
        for spec in sandwich(pool, rng, progress if self.job.shrinking else 1.0):
            member = self._member(spec)
            loss, gradients, answers = self._learn(member, positions, soft)
            if not math.isfinite(loss):
                raise TrialError(_diverged(member, epoch, epoch * self.steps + step + 1))
            if math.isnan(first):
                first, soft = loss, answers if progress >= DISTILLED_FROM else None
            self.descent.add(member.parts, gradients)
        self.descent.step(rate_at(progress, recipe.peak_learning_rate, recipe.warmup))
        return first

    def _learn(self, member: Member, positions: np.ndarray, soft: Any) -> tuple[float, list[np.ndarray], Any]:
        """Loss and gradients of one network on a batch, and its answers; large networks in several parts."""
        loss, gradients, answers = 0.0, [np.zeros(part.shape, np.float32) for part in member.parts], []
        weights = self.weights.cut(member.parts)
        for some in np.array_split(np.arange(len(positions)), parts_of_batch(member.graph, len(positions))):
            taught = None if soft is None else soft[some[0] : some[-1] + 1]
            share = len(some) / len(positions)
            found, slopes, own = self._learn_some(member, weights, positions[some], taught)
            loss += share * found
            for total, slope in zip(gradients, slopes, strict=True):
                total += np.float32(share) * slope
            answers.append(own)
        return loss, gradients, np.concatenate(answers)

    def _learn_some(
        self, member: Member, arrays: Sequence[np.ndarray], positions: np.ndarray, soft: np.ndarray | None
    ) -> tuple[float, list[np.ndarray], np.ndarray]:
        """The same of some examples at once."""
        images, labels = self._data_for(member.spec.input_shape)[0]
        wanted = labels[positions]
        targets = np.eye(member.spec.classes, dtype=np.float32)[wanted]
        if self.job.recipe.class_weights:
            targets *= np.array(self.job.recipe.class_weights, np.float32)[wanted, None]
        if soft is not None:
            targets = (1 - DISTILL) * targets + DISTILL * soft
        loss, gradients, answers = member.learn(arrays, images[positions], targets)
        return float(loss), [gradient.numpy() for gradient in gradients], answers.numpy()

    def _member(self, spec: ArchSpec) -> Member:
        if spec.arch_id not in self._members:
            graph = self.space.graph(spec)
            parts = parts_of(graph, self.space.sharing(spec))
            self._members[spec.arch_id] = Member(spec, graph, parts, learning(graph, parts))
        return self._members[spec.arch_id]

    def _standing(self, key: str) -> Standing:
        arrays = {
            "weights": list(self.weights.arrays.values()),
            "velocity": [self.descent.velocity[name] for name in self.weights.arrays],
        }
        return Standing(key, {"history": self.history, "seconds": self.seconds}, arrays)

    def _go_on_from(self, standing: Standing) -> None:
        for name, array, velocity in zip(
            self.weights.arrays, standing.arrays["weights"], standing.arrays["velocity"], strict=True
        ):
            self.weights.arrays[name][...] = array
            self.descent.velocity[name][...] = velocity
        self.history, self._seconds = list(standing.facts["history"]), float(standing.facts["seconds"])


@dataclass(frozen=True)
class Brief:
    """A training of one network for a moment.

    Attributes:
        weights: What it learned, one array a part of the network.
        loss: Mean training loss over its second half, which ranks networks better than the validation
            accuracy of so short a training does (Ru et al. 2021, "Speedy Performance Estimation").
    """

    weights: list[np.ndarray]
    loss: float

    @classmethod
    def of(
        cls,
        spec: ArchSpec,
        space: SearchSpace,
        recipe: Recipe,
        images: int,
        data_for: DataFor,
        weights: Sequence[np.ndarray],
    ) -> Brief:
        """Train a network.

        Args:
            spec: Of the network.
            space: That it is of.
            recipe: Learning rate, seed and class weights are taken from it.
            images: Training images that it sees.
            data_for: Examples of every resolution in play.
            weights: What it begins with, one array a part.

        Raises:
            TrialError: Its loss became NaN or infinite.
        """
        half = max(1, images // 2)
        brief = Recipe(
            2, half, min(BRIEF_BATCH, half), learning_rate=recipe.learning_rate, seed=recipe.seed,
            class_weights=recipe.class_weights,
        )  # fmt: skip
        parts = parts_of(space.graph(spec), space.sharing(spec))
        own = {part.name: np.array(array) for part, array in zip(parts, weights, strict=True)}
        job = SupernetJob(spec, brief, space=space, pools=((spec,),))
        course = Supernet(job, data_for, SharedWeights(own))
        course.run(lambda entry: None)
        return cls(course.weights.cut(parts), course.history[-1]["loss"])


def parts_of_batch(graph: OpGraph, size: int) -> int:
    """Into how many parts a batch of a network is divided, so that what its gradient needs stays bounded.

    A batch normalization then sees a part at a time, of 16 images or more.
    """
    needed = TENSORS * 4 * size * sum(prod(op.out_shape) for op in graph.ops)
    return max(1, min(-(-needed // BATCH_BYTES), size // 16))


def sandwich(specs: Sequence[ArchSpec], rng: np.random.Generator, progress: float = 1.0) -> list[ArchSpec]:
    """The networks of one step, the largest first, none of them twice.

    Args:
        specs: The pool, fewest MACs first.
        rng: Decides.
        progress: Share of the training that is done, for progressive shrinking: below 0.7 the smallest
            third does not take part yet, below 0.4 nor does the middle one.
    """
    third = len(specs) // 3
    left_out = 2 * third if progress < 0.4 else third if progress < 0.7 else 0
    pool = specs[left_out:]
    edge = max(1, round(EDGE * len(pool)))
    largest, smallest = len(pool) - 1 - int(rng.integers(edge)), int(rng.integers(edge))
    others = sorted((int(rng.integers(len(pool))) for _ in range(2)), reverse=True)
    return [pool[position] for position in dict.fromkeys((largest, *others, smallest))]


def _diverged(member: Member, epoch: int, step: int) -> str:
    """What is said of a loss that is not a number; the widest network of a step is trained first."""
    blocks: list[str] = []
    for block in map(str, member.spec.blocks):
        if not blocks or blocks[-1] != block:
            blocks.append(block)
    return (
        f"the supernet's loss became NaN or infinite in step {step} (epoch {epoch + 1}); the widest path "
        f"that did is network {member.spec.arch_id} of {member.graph.macs:,} MACs: {' > '.join(blocks)}; a "
        "lower --supernet-rate may help"
    )
