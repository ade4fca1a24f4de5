"""Train a trial of a run for long, with a recipe and teachers of one's own, and deliver it like a winner."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.errors import ConfigError, EdgenasError
from edgenas.export.folder import replaced_folder
from edgenas.export.manifest import MANIFEST_NAME, read_manifest
from edgenas.export.schemes import SchemePlan
from edgenas.quantize.scheme import STANDARD, scheme_names
from edgenas.records import TrialRecord, error_of
from edgenas.search.handover import export_trial
from edgenas.search.listener import StageListener
from edgenas.store import Store, storage_errors
from edgenas.train.recipe import Recipe
from edgenas.train.teacher import Teacher
from edgenas.winners.seeds import keep_best, planned, test_each, together, train_all, weights_of

FILES = (".keras", ".h5")


@dataclass(frozen=True)
class LongTraining:
    """What is asked of `train_for_long`.

    Attributes:
        recipe: Length, optimizer and the rest; its seed is that of the first training.
        seeds: How many trainings.
        teachers: ``best`` (the most accurate other trial), ids of trials, ``.keras`` files; more than one
            teach together.
        schemes: Names of compression schemes to try; full int8 is tried in any case.
    """

    recipe: Recipe
    seeds: int = 1
    teachers: tuple[str, ...] = ()
    schemes: tuple[str, ...] = (STANDARD,)

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError(f"--seeds {self.seeds} was given; expected 1 or more")
        if bool(self.teachers) != bool(self.recipe.distill):
            raise ConfigError(
                "a weight of the teacher and a teacher belong together; give --distill, or none"
            )

    def name(self, trial_id: str) -> str:
        """What these trainings of a trial are called: the same request has the same name."""
        parts = [self.recipe.to_json(), self.seeds, self.teachers]
        if len(schemes := scheme_names([STANDARD, *self.schemes])) > 1:
            parts.append(schemes)
        text = json.dumps(parts, sort_keys=True)
        return f"{trial_id}.{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def train_for_long(
    store: Store,
    record: TrialRecord,
    dataset: Dataset,
    request: LongTraining,
    listener: StageListener,
    *,
    workers: int = 1,
    out: Path | None = None,
    plan: SchemePlan | None = None,
) -> dict[str, Any]:
    """Train a trial, export the seed that is best on validation, and test it.

    What the same request has left is gone on with; one that is done is only reported, since the test set is
    used once.

    Args:
        workers: Trainings at the same time.
        out: Folder for a copy of the bundle, or None.
        plan: How the request's schemes are tried; None for full int8 alone.

    Returns:
        The document that `long_document` describes.

    Raises:
        ConfigError: No such teacher.
        EdgenasError: All seeds failed.
        ParityError: A file does not agree with its Keras model.
    """
    name = request.name(record.trial_id)
    teachers = [find_teacher(store, word, record.trial_id) for word in request.teachers]
    rows = planned(name, record, request.recipe, request.seeds, request.teachers)
    store.trainings.plan(rows)
    waiting = [one for one in store.trainings.named(name) if not one.ended]
    if waiting:
        listener.stage_began("long training", len(waiting), None)
        train_all(store, dataset, waiting, listener, workers, teachers=teachers)
    came_to = together(store.trainings.named(name))
    if "result" not in came_to:
        raise EdgenasError(f"training {name}: {came_to['reason']}")
    if not (bundle_of(store, name) / MANIFEST_NAME).is_file():
        keep_best(store, store.trainings.named(name))
        listener.stage_began("export", 1, None)
        training = {"name": name, "recipe": came_to["recipe"], "teachers": list(request.teachers),
                    "seeds": came_to["result"]["seeds"]}  # fmt: skip
        export_trial(
            store, record, dataset, bundle_of(store, name), final=True, weights_path=weights_of(store, name),
            training=training, with_test=True, plan=plan,
        )  # fmt: skip
        listener.trial_ended(replace(record, result=None), 0)
    test_each(store, record, store.trainings.named(name), dataset)
    if out is not None:
        copy_bundle(bundle_of(store, name), out)
    return long_document(store, name)


def find_teacher(store: Store, word: str, student: str) -> Teacher:
    """The teacher that a word stands for; see `LongTraining`.

    Raises:
        ConfigError: There is no such file, or no other trained trial.
        StoreError: There is no such trial.
    """
    if Path(word).suffix in FILES:
        if not Path(word).is_file():
            raise ConfigError(f"teacher {word} was given; there is no such file")
        return Teacher(Path(word).resolve())
    trial_id = most_accurate(store, student) if word == "best" else word
    record = store.trial(trial_id)
    paths = [store.weights_path(trial_id, final=final) for final in (True, False)]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise ConfigError(
            f"trial {trial_id} was given as a teacher, but it is {record.status} and has no weights; choose "
            "one that was trained, or a .keras file"
        )
    return Teacher(found, record.spec)


def most_accurate(store: Store, student: str) -> str:
    """The trial with the best validation accuracy so far, the student left out.

    Raises:
        ConfigError: No other trial was trained.
    """
    scores = {
        trial.trial_id: -trial.val_error
        for trial in store.trials()
        if trial.val_error is not None and store.weights_path(trial.trial_id).is_file()
    }
    for winner in store.winners():
        if winner.result is not None:
            scores[winner.trial_id] = -error_of(winner.result)
    scores.pop(student, None)
    if not scores:
        raise ConfigError(
            "teacher 'best' was given, but the run has no other trained trial; name a .keras file"
        )
    return max(scores, key=lambda trial_id: scores[trial_id])


def bundle_of(store: Store, name: str) -> Path:
    """Folder of the bundle of a long training."""
    return store.folder / "trained" / name


def long_document(store: Store, name: str) -> dict[str, Any]:
    """What a long training came to.

    Returns:
        Fields ``run, trial, name, recipe, teachers, seeds, mean_val_accuracy, std_val_accuracy,
        mean_test_accuracy, std_test_accuracy, int8_val_accuracy, int8_test_accuracy, schemes, task, cost,
        folder, files``; accuracies 0 to 1, of the Keras model in float32 where no precision is named. Other
        tasks have their figure in place of ``accuracy``.
    """
    rows = store.trainings.named(name)
    came_to = together(rows)
    manifest = read_manifest(bundle_of(store, name))
    int8 = manifest.artifact("model.int8.tflite")
    result = came_to["result"]
    metric = manifest.task.metric
    spread = [f"{kind}_{split}_{metric}" for split in ("val", "test") for kind in ("mean", "std")]
    return {
        "run": str(store.folder),
        "trial": rows[0].trial_id,
        "name": name,
        "recipe": dict(came_to["recipe"]),
        "teachers": list(rows[0].teachers),
        **{field: result[field] for field in ("seeds", *spread)},
        f"int8_val_{metric}": int8.figures("validation")[metric],
        f"int8_test_{metric}": int8.figures("test")[metric],
        "schemes": [one.to_json() for one in manifest.schemes],
        "task": manifest.task.to_json(),
        "cost": None if manifest.cost is None else dict(manifest.cost),
        "folder": str(bundle_of(store, name)),
        "files": [artifact.to_json() for artifact in manifest.artifacts],
    }


def copy_bundle(bundle: Path, out: Path) -> None:
    """Copy a bundle to a folder of the user's.

    Raises:
        StoreError: The folder holds something else, or cannot be written.
    """
    with replaced_folder(out, MANIFEST_NAME) as folder, storage_errors(out):
        shutil.copytree(bundle, folder, dirs_exist_ok=True)
