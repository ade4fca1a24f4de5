"""GradientJob: one gradient search for one cost, in the training process.

Weights and distribution learn in turn, on separate splits of the training data (DARTS, Liu et al. 2019).
First some skeletons (`edgenas.oneshot.gradient_space`) are warmed up, weights only, and the one goes on
whose networks near the target have the lowest loss.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgenas.data.prepared import Prepared
from edgenas.errors import TrialError
from edgenas.oneshot.gradient_cost import Expected
from edgenas.oneshot.gradient_gates import Gates, chosen, drawn, temperature_at
from edgenas.oneshot.gradient_goal import AIM, Distribution, Goal, balanced, cost_slopes, rate_at
from edgenas.oneshot.gradient_net import SuperNetwork
from edgenas.oneshot.gradient_result import Outcome, named_weights
from edgenas.oneshot.gradient_space import Selection, Skeleton
from edgenas.oneshot.gradient_steps import Steps
from edgenas.train.batches import Walk
from edgenas.train.checkpoint import Checkpoint, Standing
from edgenas.train.job import Arrays, DataFor, Job, shared
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import Progress, TrainResult

EPOCHS = 10
"""Parts of a search; the images are those of the recipe, whatever its own epochs are."""

BATCH = 32
"""Examples a step, at most, at the recipe's rate for so many: with 128, as candidates have, at four times the
rate, binarized gates left the weights at chance."""

WARM = 0.2
"""Share of the search in which only the weights learn."""

RACE = 0.1
"""Share of the search that each skeleton is given to be compared."""

WEIGHTS_SHARE = 0.8
"""Share of the training examples that the weights learn from; the distribution has the others (FBNet)."""

DROP = 0.3
"""First share of channels that are dropped on the way around a block, which falls to 0 (P-DARTS)."""

_RACERS, _LOOKED = 4, 512
_ORDER, _GATES, _RACE = 0, 1, 2  # purposes of random numbers
_NO_GOAL = Goal("macs", 1.0)


@dataclass(frozen=True)
class Relaxed:
    """A skeleton with the tables of its costs.

    Attributes:
        skeleton: Decisions and options.
        costs: Of each metric of the goal.
    """

    skeleton: Skeleton
    costs: Mapping[str, Expected]


@dataclass(frozen=True)
class GradientJob(Job):
    """One gradient search.

    ``spec`` is any network of the first skeleton, ``recipe`` that of a candidate: its images are those of
    this whole search. What `perform` returns as weights is what `edgenas.oneshot.gradient_result` reads.

    Attributes:
        relaxed: Skeletons to choose from.
        goal: What derived networks must cost.
        mode: ``gumbel`` or ``binary``, see `edgenas.oneshot.gradient_gates`.
        inherited: Result of an earlier search to take weights from, or None; not used on another machine,
            where the file is missing.
        drop: First share of channels dropped on the way around a block that may be left out; 0 leaves this
            guard against collapse out.
        seconds: After so much time no further epoch begins, the first one excepted; None for no limit. What
            was learned by then is what networks are derived from.
    """

    relaxed: tuple[Relaxed, ...] = ()
    goal: Goal = _NO_GOAL
    mode: str = "gumbel"
    inherited: Path | None = None
    drop: float = DROP
    seconds: float | None = None

    @property
    def key(self) -> str:
        """Tells this search from others in a checkpoint."""
        skeletons = [[sorted(one.skeleton.outer.items()), [d.options for d in one.skeleton.decisions]]
                     for one in self.relaxed]  # fmt: skip
        goal = [self.goal.metric, self.goal.target, self.goal.limits]
        parts = [super().key, skeletons, goal, self.mode, self.drop, self.inherited and self.inherited.name]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the weights in each of the `EPOCHS`."""
        return max(1, round(self.recipe.images / self.recipe.batch_size / EPOCHS))

    def perform(self, data_for: DataFor, on_epoch: Progress) -> tuple[TrainResult, list[np.ndarray]]:
        """Search.

        Args:
            data_for: Training and validation examples of a shape.
            on_epoch: To be told of every epoch.

        Raises:
            TrialError: The loss became NaN or infinite.
        """
        return _Search(self, data_for, on_epoch).run()


def splits(split: Arrays, seed: int) -> tuple[Arrays, Arrays]:
    """Training examples of the weights, and those of the distribution; none is in both.

    Args:
        split: All training examples.
        seed: Draws which are which.
    """
    order = np.random.default_rng([seed, _ORDER]).permutation(len(split[1]))
    border = round(WEIGHTS_SHARE * len(order))
    x, y = split
    return tuple(  # type: ignore[return-value]
        (x.take(part) if isinstance(x, Prepared) else x[part], y[part])
        for part in (order[:border], order[border:])
    )


class _Search:
    """The course of one search."""

    def __init__(self, job: GradientJob, data_for: DataFor, on_epoch: Progress) -> None:
        self.job, self.data_for, self.on_epoch = job, data_for, on_epoch
        self.total = EPOCHS * job.steps_per_epoch
        self.history: list[dict[str, float]] = []
        self.started = self.resumed = time.perf_counter()
        self.trained = 0
        self.training_seconds = 0.0

    def run(self) -> tuple[TrainResult, list[np.ndarray]]:
        checkpoint = Checkpoint(self.job.checkpoint_path, self.job.key) if self.job.checkpoint_path else None
        standing = checkpoint.load() if checkpoint else None
        steps = self.race() if standing is None else self.restored(standing)
        while len(self.history) < EPOCHS and not (self.history and self.late):
            self.epoch(steps, len(self.history))
            if checkpoint:
                checkpoint.save(self.standing(steps, checkpoint.key))
            entry = self.history[-1]
            self.on_epoch({"epoch": len(self.history), "epochs": EPOCHS, **entry})
        return self.result(), self.outcome(steps)

    @property
    def late(self) -> bool:
        """Whether its time is up; that before a stop does not count."""
        limit = self.job.seconds
        return limit is not None and time.perf_counter() - self.resumed > limit

    # --- beginning ---

    def choose(self, number: int) -> None:
        """Go on with one of the skeletons."""
        self.number = number
        self.relaxed = self.job.relaxed[number]
        skeleton = self.relaxed.skeleton
        train, self.validation = self.data_for(skeleton.image)
        mine, theirs = splits(shared(train, self.job.recipe.share), self.job.recipe.seed)
        recipe = replace(
            self.job.recipe,
            epochs=EPOCHS,
            images_per_epoch=self.job.steps_per_epoch * self.job.recipe.batch_size,
        )
        self.walk = self.walk_of(mine, recipe)
        self.other_walk = self.walk_of(theirs, replace(recipe, seed=recipe.seed + 1))
        self.held = theirs
        target = self.relaxed.costs[self.job.goal.metric]
        logits = balanced(skeleton, target, self.job.goal.target)
        self.distribution = Distribution(logits, np.zeros(1 + len(self.job.goal.limits)))

    def walk_of(self, split: Arrays, recipe: Recipe) -> Walk:
        return Walk(*split, recipe, self.job.steps_per_epoch, task=self.job.task)

    def steps_of(self, flat: np.ndarray | None = None) -> Steps:
        net = SuperNetwork(self.relaxed.skeleton, self.job.spec.classes, self.job.recipe.seed)
        if flat is None:
            earlier = self.job.inherited
            known = named_weights(earlier) if earlier is not None and earlier.exists() else {}
            flat = net.parameters.grafted(known)
        return Steps(net, self.job.recipe, self.total, self.job.task, flat)

    def race(self) -> Steps:
        """Warm up all skeletons for a while and go on with the best."""
        self.choose(0)
        if len(self.job.relaxed) == 1:
            return self.steps_of()
        racers: list[tuple[float, int, Steps]] = []
        for number in range(len(self.job.relaxed)):
            self.choose(number)
            steps = self.steps_of()
            for step in range(min(self.job.steps_per_epoch, round(RACE * self.total))):
                self.learn(steps, 0, step, self.job.drop, temperature_at(0.0))
            racers.append((self.judged(steps), number, steps))
        _, number, steps = min(racers, key=lambda racer: racer[:2])
        self.choose(number)
        return steps

    def judged(self, steps: Steps) -> float:
        """Mean loss of some networks near the target, on examples that no weight was trained on."""
        images, labels = self.held[0][:_LOOKED], self.held[1][:_LOOKED]
        targets = self.job.task.targets(images, labels)
        logits = self.distribution.logits
        losses = [steps.loss(images, targets, chosen(logits, one)) for one in self.near(_RACERS)]
        return float(np.mean(losses)) if np.isfinite(losses).all() else math.inf

    def near(self, count: int) -> list[Selection]:
        """Networks near the target, drawn from the distribution."""
        rng = np.random.default_rng([self.job.recipe.seed, _RACE])
        parts = self.distribution.probabilities
        rows = np.array([rng.choice(len(part), 200, p=part) for part in parts]).T
        drawn_networks = {tuple(map(int, row)) for row in rows}
        cost, aim = self.relaxed.costs[self.job.goal.metric], AIM * self.job.goal.target
        return sorted(drawn_networks, key=lambda one: (abs(cost.of(one) - aim), one))[:count]

    # --- going on ---

    def epoch(self, steps: Steps, epoch: int) -> None:
        done = epoch / EPOCHS
        is_warm, temperature = (
            done >= WARM,
            temperature_at((done - WARM) / (1 - WARM) if done > WARM else 0.0),
        )
        drop = self.job.drop * (1.0 - done)
        losses, reached = [], math.nan
        for step in range(self.job.steps_per_epoch):
            losses.append(self.learn(steps, epoch, step, drop, temperature))
            if is_warm:
                reached = self.turn(steps, epoch, step, drop, temperature)
        if not is_warm:
            expected = self.relaxed.costs[self.job.goal.metric].expectation(self.distribution.probabilities)[
                0
            ]
            reached = expected / self.job.goal.target
        self.history.append({
            "loss": float(np.mean(losses)), **self.validated(steps), "temperature": temperature,
            "share_of_target": reached, "multiplier": float(self.distribution.multipliers[0]),
            "entropy": self.distribution.entropy, "blocks": self.expected_blocks(),
        })  # fmt: skip

    def learn(
        self, steps: Steps, epoch: int, step: int, drop: float, temperature: float | None = None
    ) -> float:
        """One step of the weights."""
        rng = np.random.default_rng([self.job.recipe.seed, _GATES, epoch, step])
        warmth = temperature_at(0.0) if temperature is None else temperature
        gates = drawn(self.job.mode, self.distribution.logits, warmth, rng, pairs=False)
        began = time.perf_counter()
        loss = steps.learn(self.walk.batch(epoch, step), gates, drop, epoch * self.job.steps_per_epoch + step)
        self.training_seconds += time.perf_counter() - began
        self.trained += self.job.recipe.batch_size
        if not math.isfinite(loss):
            raise TrialError(self.broken("weights", epoch, step, loss, gates))
        return loss

    def turn(self, steps: Steps, epoch: int, step: int, drop: float, temperature: float) -> float:
        """One step of the distribution; the expected cost as a share of the target."""
        rng = np.random.default_rng([self.job.recipe.seed, _GATES, epoch, step, 1])
        distribution = self.distribution
        gates = drawn(self.job.mode, distribution.logits, temperature, rng, pairs=True)
        loss, slopes = steps.look(
            self.other_walk.batch(epoch, step), gates, drop, epoch * self.job.steps_per_epoch + step
        )
        if not math.isfinite(loss) or not all(np.isfinite(slope).all() for slope in slopes):
            raise TrialError(self.broken("distribution", epoch, step, loss, gates))
        left = self.total - round(WARM * self.total)
        pull, reached = cost_slopes(self.job.goal, self.relaxed.costs, distribution, left)
        both = [one + other for one, other in zip(gates.back(slopes), pull, strict=True)]
        distribution.step(both, rate_at(distribution.steps, left))
        return reached

    def broken(self, which: str, epoch: int, step: int, loss: float, gates: Gates) -> str:
        skeleton = self.relaxed.skeleton
        used = [
            max(np.array(decision.options)[gates.used[at]])
            for at, decision in enumerate(skeleton.decisions)
            if decision.kind == "filters"
        ]
        widest = "-".join(map(str, used or skeleton.filters))
        return (
            f"loss of the super-network became {loss} in step {step + 1} of epoch {epoch + 1} ({which}; mode "
            f"{self.job.mode}, widest path {widest} filters); a lower learning rate may help"
        )

    def validated(self, steps: Steps) -> dict[str, float]:
        """How the most likely network does with the shared weights."""
        images, labels = (part[:_LOOKED] for part in self.validation)
        gates = chosen(self.distribution.logits, self.distribution.mode)
        task = self.job.task
        outputs = steps.outputs(images, gates)
        figures = task.figures(outputs, images, labels)
        found = {"val_loss": steps.loss(images, task.targets(images, labels), gates)}
        if task.name == "classification":
            return {**found, "val_accuracy": figures["accuracy"]}
        return {**found, "val_error": task.error(figures), **{f"val_{k}": v for k, v in figures.items()}}

    def expected_blocks(self) -> float:
        """Blocks of all stages in expectation: what falls when a search collapses."""
        parts, skeleton = self.distribution.probabilities, self.relaxed.skeleton
        return float(sum(
            parts[skeleton.places[stage, "depth"]] @ np.array(skeleton.numbers(stage, "depth"))
            for stage in range(len(skeleton.strides))
        ))  # fmt: skip

    # --- keeping ---

    def standing(self, steps: Steps, key: str) -> Standing:
        facts = {
            "history": self.history, "number": self.number, "steps": self.distribution.steps,
            "multipliers": self.distribution.multipliers.tolist(),
            "clock": [self.trained, self.training_seconds, time.perf_counter() - self.started],
        }  # fmt: skip
        own = self.distribution
        arrays = {"weights": steps.arrays, "logits": own.logits, "means": own.means, "squares": own.squares}
        return Standing(key, facts, arrays)

    def restored(self, standing: Standing) -> Steps:
        facts, arrays = standing.facts, standing.arrays
        self.choose(int(facts["number"]))
        self.history = list(facts["history"])
        self.distribution = Distribution(
            arrays["logits"],
            np.array(facts["multipliers"]),
            arrays["means"],
            arrays["squares"],
            facts["steps"],
        )
        self.trained, self.training_seconds, before = facts["clock"]
        self.started -= before
        steps = self.steps_of(arrays["weights"][0])
        steps.restore(arrays["weights"])
        return steps

    def result(self) -> TrainResult:
        last, task = self.history[-1], self.job.task
        judged = {name.removeprefix("val_"): value for name, value in last.items() if name.startswith("val_")}
        others = {name: value for name, value in judged.items() if name not in ("loss", "error", "accuracy")}
        speed = self.trained / self.training_seconds if self.training_seconds else 0.0
        seconds = time.perf_counter() - self.started
        return TrainResult(
            last.get("val_accuracy"), last["val_loss"], None, len(self.history), len(self.history) < EPOCHS,
            seconds, speed, self.history,
            last.get("val_error"), others, task.metric,
        )  # fmt: skip

    def outcome(self, steps: Steps) -> list[np.ndarray]:
        shapes = steps.net.parameters.shapes
        outcome = Outcome(
            self.number, self.history, self.distribution.multipliers.tolist(), self.distribution.logits
        )
        return outcome.packed(shapes, steps.flat.numpy())
