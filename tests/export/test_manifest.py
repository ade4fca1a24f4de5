"""The manifest as a value and as a file that stays readable."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgenas.cost.types import Cost
from edgenas.deploy.proof import Proof
from edgenas.errors import ConfigError
from edgenas.export.manifest import Artifact, BundleFile, Manifest, read_manifest
from edgenas.export.micro import MicroRun
from edgenas.export.parity import Parity
from edgenas.export.running import Port
from edgenas.export.schemes import SchemeResult

GOLDEN = Path(__file__).parent / "golden" / "v1"

MANIFEST = Manifest(
    artifacts=(
        Artifact(
            "model.float32.tflite", "tflite", "float32", "a" * 64, 70_000,
            Port("0", (1, 8, 8, 1), "float32"), Port("68", (1, 10), "float32"),
            Parity(359, 1.0, 0, 1.5e-6, 1e-4), {"validation": 0.95, "test": 0.96}, "float32",
        ),
        Artifact(
            "model.int8.tflite", "tflite", "int8", "b" * 64, 40_000,
            Port("0", (1, 8, 8, 1), "int8", 0.00392, -128), Port("68", (1, 10), "int8", 0.00390625, -128),
            Parity(359, 0.997, 1, 0.07, 7.0), {"validation": 0.94, "test": 0.955}, "full-int8",
        ),
    ),
    scheme="full-int8",
    calibration_images=200,
    keras_accuracy=0.95,
    cost=Cost("host", "litert", "int8", "table", 0.5, 0.4, 0.6, 15_000, 39_900, 265_888, 9_000).to_json(),
    tflite_micro=MicroRun(100, 0.99, 3, 15_216, 3_072, 12_144),
    tflite_micro_note=None,
    description={"trial_id": "0007", "seed": 3},
)  # fmt: skip


NEWEST = replace(
    MANIFEST,
    schemes=(
        SchemeResult("full-int8", ("model.int8.tflite",), 0.94, 40_000, 30_000, 15_216, 0.5, True, True),
        SchemeResult("qat", reason="the loss became NaN", facts={"epochs": 3}),
    ),
    sensitivity=({"layer": "stem", "kind": "CONV_2D", "gain": 0.01},),
)

SINCE = {"energy_mj": None}
"""Fields of a cost that came after the golden file was written."""


def test_a_manifest_of_schema_1_stays_readable() -> None:
    found = read_manifest(GOLDEN)
    assert replace(found, cost={**found.cost, **SINCE}) == MANIFEST


def test_a_manifest_is_written_as_the_golden_file() -> None:
    golden = json.loads((GOLDEN.parent / "v2" / "manifest.json").read_text(encoding="utf-8"))
    assert NEWEST.to_json() == golden
    assert Manifest.from_json(golden) == NEWEST


def test_a_classifier_of_schema_1_with_proof_stays_readable() -> None:
    """Versions before schemes wrote proof and files of classifiers under schema 1."""
    proven = replace(MANIFEST, files=(BundleFile("c/model.c", "c" * 64, 9),), proof=Proof(note="no compiler"))
    document = {**proven.to_json(), "schema": 1}
    del document["schemes"], document["sensitivity"]
    document["artifacts"] = [{k: v for k, v in one.items() if k != "scheme"} for one in document["artifacts"]]
    assert Manifest.from_json(document) == proven


def test_predictions_stand_beside_what_was_found() -> None:
    assert MANIFEST.to_json()["predicted_against_real"] == {
        "flash_bytes": {"predicted": 39_900, "real": 40_000},
        "peak_ram_bytes": {"predicted": 15_000, "real": 15_216},
    }


def test_a_newer_or_damaged_manifest_is_refused(tmp_path: Path) -> None:
    document = MANIFEST.to_json()
    with pytest.raises(ConfigError, match="schema 3 was given; this version of edgenas reads 1 to 2"):
        Manifest.from_json({**document, "schema": 3})
    with pytest.raises(ConfigError, match=r"damaged manifest .*'scheme'"):
        Manifest.from_json({key: value for key, value in document.items() if key != "scheme"})
    with pytest.raises(ConfigError, match=r"no readable manifest\.json"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfigError, match=r"no readable manifest\.json"):
        read_manifest(tmp_path)
