"""``edgenas estimate`` on files of every ending, of edgenas and of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch import MicroSpace
from edgenas.profile.synthesize import synthesize
from tests.build.onnx_models import exported

SPEC = MicroSpace((8, 8, 1), 10).sample(np.random.default_rng(0))
BOARD = ("--device", "nucleo-l4r5zi")


def estimate(edgenas: Any, *words: object) -> dict[str, Any]:
    done = edgenas("estimate", *words, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_files_of_three_endings_state_the_same_work(edgenas: Any, tmp_path: Path) -> None:
    import keras

    from edgenas.build.builder import build_model

    build_model(SPEC, keras).save(tmp_path / "model.keras")
    (tmp_path / "model.json").write_text(json.dumps(SPEC.to_json()))
    (tmp_path / "MODEL.TFLITE").write_bytes(synthesize(SPEC.graph()))
    found = [estimate(edgenas, path, *BOARD) for path in sorted(tmp_path.iterdir())]
    assert {document["macs"] for document in found} == {SPEC.graph().macs}
    assert {document["peak_ram_bytes"] for document in found} == {found[0]["peak_ram_bytes"]}
    assert found[0]["flash_bytes"] == (tmp_path / "MODEL.TFLITE").stat().st_size


def test_an_onnx_file_of_others_is_estimated_for_the_runtime_asked_for(edgenas: Any, tmp_path: Path) -> None:
    path = tmp_path / "it's a; model.onnx"
    path.write_bytes(exported(quantized=True))
    document = estimate(edgenas, path, *BOARD, "--runtime", "tflite-micro")
    assert (document["runtime"], document["source"]) == ("tflite-micro", "predictor")
    assert [share["kind"] for share in document["per_op"]][:2] == ["conv2d", "activation"]
    assert "int8 .tflite file" in document["note"]


@pytest.mark.parametrize(
    ("name", "content", "words", "message"),
    [
        (
            "m.onnx",
            exported(),
            ("--runtime", "litertt"),
            "runtime of device 'host' 'litertt'; did you mean 'litert'",
        ),
        ("m.onnx", exported()[:900], BOARD, "damaged or truncated .onnx file"),
        ("m.tflite", b"no model" * 9, BOARD, "expected the bytes of a .tflite file"),
        ("m.keras", b"PK", BOARD, "is no Keras model that can be read"),
        ("m.pt", b"", BOARD, "expected .tflite, .onnx, .keras, .h5 or spec .json"),
    ],
)
def test_what_cannot_be_estimated_is_said_in_one_line(
    edgenas: Any, tmp_path: Path, name: str, content: bytes, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    done = edgenas("estimate", tmp_path / name, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
