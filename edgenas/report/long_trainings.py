"""What `edgenas train` has trained of a run: recipes, seeds, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from edgenas.errors import ConfigError
from edgenas.export.manifest import read_manifest
from edgenas.report.markup import shown, table, text
from edgenas.report.run import Run

SHOWN = {
    "optimizer": "sgd", "weight_decay": 0.0, "label_smoothing": 0.0, "ema": 0.0, "shift": 0.0,
    "mixed_precision": False,
}  # fmt: skip
"""Fields of a recipe that are told where they differ from these."""


def long_documents(run: Run) -> list[dict[str, Any]]:
    """One document for each long training that was exported.

    Returns:
        Fields ``name, trial, epochs, recipe, teachers, seeds, int8_val_accuracy, int8_test_accuracy,
        folder``; accuracies 0 to 1 (another task has its figure instead), ``seeds`` as in the manifest.
    """
    found = []
    for name, group in groupby(run.trainings, key=lambda one: one.name):
        folder = run.folder / "trained" / name
        if not folder.is_dir():
            continue
        try:
            manifest = read_manifest(folder)
        except ConfigError:
            continue  # a folder that was damaged is no reason not to report the rest
        first = next(iter(group))
        int8, metric = manifest.artifact("model.int8.tflite"), manifest.task.metric
        found.append(
            {
                "name": name,
                "trial": first.trial_id,
                "recipe": dict(first.recipe),
                "teachers": list(first.teachers),
                "seeds": manifest.description["training"]["seeds"],
                f"int8_val_{metric}": int8.figures("validation").get(metric),
                f"int8_test_{metric}": int8.figures("test").get(metric),
                "folder": str(folder),
            }
        )
    return found


def long_trainings(run: Run) -> str:
    """A table of them, or nothing."""
    rows = [
        [
            text(document["trial"]),
            text(recipe_words(document["recipe"], document["teachers"])),
            str(len(document["seeds"])),
            *(shown(run.task, document[f"int8_{split}_{run.task.metric}"]) for split in ("val", "test")),
            f"<code>trained/{text(document['name'])}/</code>",
        ]
        for document in long_documents(run)
    ]
    if not rows:
        return ""
    headers = ["Trial", "Recipe", "Seeds", "Validation<br>int8", "Test<br>int8", "Files"]
    caption = "Trainings by <code>edgenas train</code>; of several seeds the one best on validation"
    return table(caption, headers, rows, numeric=range(2, 5))


def recipe_words(recipe: Mapping[str, Any], teachers: list[str]) -> str:
    """A recipe as people say it, for example ``150 epochs, adamw, ema 0.999, taught by best``."""
    words = [f"{recipe['epochs']} epochs"]
    for field, usual in SHOWN.items():
        if (value := recipe.get(field, usual)) != usual:
            words.append(str(value) if field == "optimizer" else f"{field.replace('_', ' ')} {value:.3g}")
    if teachers:
        words.append(f"taught by {', '.join(teachers)}")
    return ", ".join(words)
