"""Writing a bundle: what is refused, what survives a failure."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.cost.types import Cost
from edgenas.errors import (
    DataError,
    EdgenasError,
    ParityError,
    StoreError,
    UnknownNameError,
    UnsupportedError,
)
from edgenas.export.bundle import export_bundle
from edgenas.export.folder import replaced_folder
from edgenas.export.manifest import Manifest
from edgenas.export.schemes import SchemePlan
from edgenas.store import storage_errors
from tests.export.digit_bundles import SHAPE, Exported, Images

Export = Callable[..., Manifest]
COST = Cost("host", "litert", "int8", "static", None, None, None, 9_000, 7_000, 100_000, 2_000)


@pytest.fixture
def export(models: Mapping[str, Any], digits: Images, tmp_path: Path) -> Export:
    def run(**changes: Any) -> Manifest:
        held_back = tuple(part[:60] for part in digits.validation)
        given = {"model": models["separable"], "out_dir": tmp_path / "out", "input_shape": SHAPE,
                 "calibration": digits.calibration, "held_back": held_back, **changes}  # fmt: skip
        return export_bundle(given.pop("model"), **given)

    return run


@contextmanager
def no_file_above(size_bytes: int) -> Iterator[None]:
    """As on a full disk, writing fails half-way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_older_bundle_is_replaced_whole_without_the_test_set_and_without_a_word(
    export: Export, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    (out / "model.of.an.older.version").write_text("x")
    manifest = export(cost=COST)
    assert capfd.readouterr().out == ""
    assert "model.of.an.older.version" not in contents(out)
    assert json.loads((out / "manifest.json").read_text()) == manifest.to_json()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert all(set(artifact.accuracy) == {"validation"} for artifact in manifest.artifacts)
    sizes = manifest.to_json()["predicted_against_real"]
    assert sizes["flash_bytes"] == {"predicted": 7_000, "real": manifest.artifact("model.int8.tflite").bytes}


def test_another_folder_with_content_is_left_alone(export: Export, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="something else than an exported bundle"):
        export()
    assert contents(tmp_path) == {"out/thesis.txt": b"years of work"}


def test_a_folder_that_cannot_be_made_is_refused(export: Export, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be written"):
        export(out_dir=tmp_path / "file" / "out")
    assert contents(tmp_path) == {"file": b"not a folder"}


@pytest.mark.parametrize("share", [0.1, 0.99, 1.2])  # the last lets the models pass, not their array in C
def test_a_full_disk_leaves_the_old_bundle_and_nothing_else(
    export: Export, bundles: Mapping[str, Exported], tmp_path: Path, share: float
) -> None:
    limit = int(share * max(artifact.bytes for artifact in bundles["separable"].manifest.artifacts))
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    with no_file_above(limit), pytest.raises(EdgenasError, match="File too large"):
        export()
    assert contents(tmp_path) == {"out/manifest.json": b"{}"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_at_the_last_step_leaves_the_old_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "marker").write_text("old")
    with (
        no_file_above(1_000),
        pytest.raises(StoreError, match="File too large"),
        replaced_folder(out, "marker") as folder,
        storage_errors(out),
    ):
        (folder / "small").write_bytes(b"x" * 500)
        (folder / "large").write_bytes(b"x" * 5_000)
    assert contents(tmp_path) == {"out/marker": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_export_left_is_cleared_away(tmp_path: Path) -> None:
    out, new, old = (tmp_path / name for name in ("out", ".out.new", ".out.old"))
    for folder in (new, old):
        folder.mkdir()
        (folder / "marker").write_text(folder.name)
    with pytest.raises(RuntimeError), replaced_folder(out, "marker"):
        raise RuntimeError
    assert contents(tmp_path) == {"out/marker": b".out.old"}, (
        "killed between the renames: the old one is back"
    )
    with replaced_folder(out, "marker") as folder:
        (folder / "marker").write_text("newest")
    assert contents(tmp_path) == {"out/marker": b"newest"}


def with_layer(operation: Callable[[Any], Any]) -> Any:
    import tf_keras

    layers = tf_keras.layers
    image = tf_keras.Input(SHAPE)
    hidden = layers.Lambda(operation, name="odd_one")(layers.Conv2D(4, 3, name="first")(image))
    hidden = layers.Dense(10)(layers.Flatten()(hidden))
    return tf_keras.Model(image, layers.Softmax()(hidden))


def test_an_operation_left_in_float_is_named(export: Export, tmp_path: Path) -> None:
    import tensorflow as tf

    with pytest.raises(
        ParityError, match=r"model\.int8\.tflite: 1 operation\(s\) stayed in float \(SIN .* expected 0"
    ):
        export(model=with_layer(tf.sin))
    assert list(tmp_path.iterdir()) == []


def test_an_operation_that_tflite_lacks_is_named_in_one_line(export: Export, tmp_path: Path) -> None:
    import tensorflow as tf

    with pytest.raises(UnsupportedError, match=r"TFLite conversion failed: .*tf\.Erf") as caught:
        export(model=with_layer(tf.math.erf))
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_calibration_with_pictures_of_another_kind_fails_parity(export: Export, digits: Images) -> None:
    """Ranges of nearly black images: an int8 file of them saturates."""
    with pytest.raises(ParityError, match=r"model\.int8\.tflite: agrees with Keras' class on .* expected"):
        export(calibration=digits.calibration * np.float32(0.01), held_back=digits.validation)


def test_images_that_do_not_fit_are_refused(export: Export, digits: Images) -> None:
    images, labels = digits.validation
    with pytest.raises(DataError, match=r"held-back images of shape \(.*\) with 3 labels"):
        export(held_back=(images, labels[:3]))
    with pytest.raises(DataError, match=r"test images of shape \(10, 8, 8\)"):
        export(test=(images[:10, ..., 0], labels[:10]))
    with pytest.raises(DataError, match="calibration images of shape"):
        export(calibration=digits.calibration[:, :4])


def test_an_unknown_scheme_is_refused_with_the_nearest(export: Export) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'full-int8'"):
        export(plan=SchemePlan(["full-int4"]))


def test_without_tflite_micro_the_manifest_says_so(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)  # what Python does for a package that is missing
    manifest = export()
    assert manifest.tflite_micro is None
    assert manifest.tflite_micro_note == "tflite-micro is not installed"


def test_a_model_on_another_backend_than_tensorflow_is_refused(
    export: Export, models: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")  # no other backend need be installed
    with pytest.raises(UnsupportedError, match="backend 'jax' was given; only TensorFlow's can be converted"):
        export(model=models["user's own"])
    export(model=models["separable"])  # a twin is tf_keras, whatever trained it
