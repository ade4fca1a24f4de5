"""Which scheme is adopted and which are kept; a bundle with several of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgenas.build.read_keras import graph_from_keras
from edgenas.errors import ConfigError, UnsupportedError
from edgenas.export.bundle import export_bundle
from edgenas.export.manifest import read_manifest
from edgenas.export.schemes import SchemePlan, SchemeResult, dominates, judged
from tests.export.digit_bundles import SHAPE, Images


def result(scheme: str, accuracy: float, *, flash: int = 100, latency: float | None = 1.0) -> SchemeResult:
    return SchemeResult(scheme, (), accuracy, flash, 50, 10, latency)


def test_what_is_known_of_one_only_is_not_compared() -> None:
    slow, unknown = result("a", 0.9, latency=5.0), result("b", 0.9, latency=None)
    assert not dominates(slow, unknown) and not dominates(unknown, slow)
    assert dominates(result("a", 0.9), result("b", 0.9, flash=101))
    assert not dominates(result("a", 0.9), result("b", 0.9))


@pytest.mark.parametrize(("qat", "adopted"), [(0.89, "full-int8"), (0.90, "full-int8"), (0.91, "qat")])
def test_qat_is_adopted_only_where_it_is_better(qat: float, adopted: str) -> None:
    """Its file may be some bytes larger: that does not keep the loser."""
    results = judged([result("full-int8", 0.90), result("qat", qat, flash=101)], ["full-int8", "qat"])
    assert [one.scheme for one in results if one.adopted] == [adopted]
    assert [one.scheme for one in results if one.on_front] == [adopted]
    assert f"{adopted} costs the same" in next(one.reason for one in results if not one.adopted)


def test_a_scheme_that_another_beats_in_everything_is_told_so() -> None:
    small, accurate = (
        result("channel-pruning", 0.85, flash=60),
        result("int16x8", 0.95, flash=120, latency=None),
    )
    results = judged([result("full-int8", 0.9), small, accurate, result("pruning", 0.89)], ["full-int8"])
    assert [one.scheme for one in results if one.on_front] == ["full-int8", "channel-pruning", "int16x8"]
    assert results[-1].reason == "full-int8 is at least as good in everything"


def test_a_plan_refuses_what_cannot_work_before_anything_is_done() -> None:
    with pytest.raises(
        UnsupportedError, match="scheme 'float16' was given for device 'board': runtime 'tflite-micro'"
    ):
        SchemePlan(["float16"], runtime="tflite-micro").check("board")
    with pytest.raises(ConfigError, match="0 images"):
        SchemePlan(images=0).check("board")
    SchemePlan(["int8", "qat", "int16x8"], runtime="tflite-micro").check("board")


def test_a_bundle_of_several_schemes(models: Mapping[str, Any], digits: Images, tmp_path: Path) -> None:
    """A user's own Keras 3 network is rebuilt for the scheme that trains; each file has its proof."""
    plan = SchemePlan(["qat", "float16", "int16x8"], keep_all=True, images=300, sensitivity=True)
    manifest = export_bundle(
        models["user's own"], out_dir=tmp_path / "out", input_shape=SHAPE, calibration=digits.calibration,
        held_back=digits.validation, test=digits.test, train=digits.train, plan=plan,
    )  # fmt: skip
    assert read_manifest(tmp_path / "out") == manifest
    by_scheme = {one.scheme: one for one in manifest.schemes}
    assert list(by_scheme) == ["full-int8", "qat", "float16", "int16x8"]
    assert by_scheme[manifest.scheme].files == ("model.int8.tflite", "model.int8.onnx")
    assert by_scheme["int16x8"].files == ("model.int16x8.tflite",)
    assert by_scheme["qat"].accuracy is not None, by_scheme["qat"].reason
    assert by_scheme["qat"].facts["epochs"] == 1
    names = [artifact.file for artifact in manifest.artifacts]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "out").glob("model.*"))
    assert all(set(artifact.accuracy) == {"validation", "test"} for artifact in manifest.artifacts)
    assert manifest.artifact("model.int8.tflite").scheme == manifest.scheme
    assert manifest.artifact("model.int16x8.tflite").input.dtype == "int16"
    operations = {op.name for op in graph_from_keras(models["user's own"]).ops}
    assert {entry["layer"] for entry in manifest.sensitivity} <= operations
