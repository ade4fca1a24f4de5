"""``edgenas quantize``: a user's own model file, from the command line to its bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgenas.data import load_dataset
from edgenas.errors import DataError
from edgenas.export.manifest import read_manifest
from edgenas.export.own_model import OwnModel
from tests.conftest import Command


@pytest.fixture(scope="session")
def own_file(models: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "mine.keras"
    models["user's own"].save(path)
    return path


def test_a_model_file_becomes_a_proven_bundle(edgenas: Command, own_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--data", "digits", "--scheme", "int8,qat", "--images", "1100", "--sensitivity")
    done = edgenas("quantize", own_file, *words, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [entry["scheme"] for entry in document["schemes"]] == ["full-int8", "qat"]
    assert all(entry["files"] for entry in document["schemes"])
    manifest = read_manifest(out)
    assert all(set(artifact.accuracy) == {"validation", "test"} for artifact in manifest.artifacts)
    assert (
        manifest.cost is not None
        and manifest.cost["flash_bytes"] == manifest.artifact("model.int8.tflite").bytes
    )
    assert manifest.description["model"] == "mine.keras" and manifest.sensitivity


def test_a_range_that_the_network_was_not_trained_on_is_told(models: Mapping[str, Any]) -> None:
    own = OwnModel(Path("mine.keras"), models["user's own"], load_dataset("digits"), (200.0, 201.0))
    with pytest.raises(DataError, match=r"0 to 1: it was trained on those; give --input-range=0,1"):
        own.check_range()
    OwnModel(own.path, own.model, own.dataset).check_range()


def test_a_network_of_chance_and_one_of_another_shape_are_told(models: Mapping[str, Any]) -> None:
    import keras

    keras.utils.set_random_seed(0)
    digits = load_dataset("digits")
    fresh = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    fresh.set_weights([0 * weight for weight in fresh.get_weights()])
    with pytest.raises(DataError, match="no better than chance"):
        OwnModel(Path("m.keras"), fresh, digits).check_range()
    for shape, classes, words in (
        ((8, 8, 3), 10, "3 channels"),
        ((8, 8, 1), 4, r"\(4,\) values"),
        ((64,), 10, "reads"),
    ):
        layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)]
        with pytest.raises(DataError, match=words):
            OwnModel(Path("m.keras"), keras.Sequential(layers), digits)
