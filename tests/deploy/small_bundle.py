"""A bundle of an int8 TFLite and a float32 ONNX file with random weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.cost.deployed import deployed_graph
from edgenas.data.dataset import Dataset
from edgenas.data.log_mel import LogMel
from edgenas.deploy.deploy import deploy
from edgenas.deploy.facts import Facts
from edgenas.deploy.samples import SAMPLES, RawSamples
from edgenas.export.manifest import MANIFEST_NAME, Artifact, Manifest
from edgenas.export.parity import Parity, accuracy
from edgenas.export.running import Program, load_onnx, load_tflite
from edgenas.profile.synthesize import synthesize
from edgenas.profile.synthesize_onnx import synthesize_onnx
from tests.export.digit_bundles import SPECS

INT8, ONNX = "model.int8.tflite", "model.float32.onnx"


@dataclass(frozen=True)
class Bundle:
    """A bundle and what it was made from."""

    folder: Path
    manifest: Manifest
    samples: RawSamples
    facts: Facts

    @property
    def c(self) -> Path:
        return self.folder / "c"

    def copy_to(self, folder: Path) -> Path:
        shutil.copytree(self.folder, folder)
        return folder

    def rewrite(self, name: str, content: bytes) -> None:
        """Change a file and its checksum in the manifest, as one who wants to deceive would."""
        (self.folder / name).write_bytes(content)
        document = self.document()
        for entry in (*document["files"], *document["artifacts"]):
            if entry["file"] == name:
                entry.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        self.write(document)

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / MANIFEST_NAME).read_text())
        return found

    def write(self, document: dict[str, Any]) -> None:
        (self.folder / MANIFEST_NAME).write_text(json.dumps(document))


def make_bundle(
    folder: Path,
    data: Dataset,
    front_end: LogMel | None = None,
    resized_from: tuple[int, int] | None = None,
) -> Bundle:
    graph = deployed_graph(SPECS["separable"].graph())
    content = {INT8: synthesize(graph), ONNX: synthesize_onnx(graph, 0, "float32")}
    programs = {INT8: load_tflite(content[INT8]), ONNX: load_onnx(content[ONNX])}
    samples = RawSamples(
        data.validation.x[:SAMPLES], data.validation.y[:SAMPLES], data.normalization, data.class_names,
        front_end=front_end, resized_from=resized_from,
    )  # fmt: skip
    folder.mkdir(parents=True)
    for name, model in content.items():
        (folder / name).write_bytes(model)
    manifest = Manifest(
        artifacts=tuple(artifact(name, content[name], programs[name], data) for name in content),
        scheme="full-int8",
        calibration_images=100,
        keras_accuracy=0.1,
        cost=None,
        tflite_micro=None,
        tflite_micro_note="not tried",
        description={"data": "digits", "data_loading": {"fingerprint": data.fingerprint, "seed": 0}},
    )
    files = {name: (content[name], programs[name]) for name in content}
    manifest = deploy(folder, manifest, files, samples, None)
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest.to_json()))
    return Bundle(folder, manifest, samples, Facts.of(content[INT8], programs[INT8]))


def artifact(name: str, model: bytes, program: Program, data: Dataset) -> Artifact:
    prepared = data.normalization.apply(data.test.x)
    return Artifact(
        file=name,
        format=name.rpartition(".")[2],
        precision=name.split(".")[1],
        sha256=hashlib.sha256(model).hexdigest(),
        bytes=len(model),
        input=program.input,
        output=program.output,
        parity=Parity(1, 1.0, 0, 0.0, 0.0),
        scheme="float32" if "float32" in name else "full-int8",
        accuracy={"validation": 0.1, "test": accuracy(program.run(np.asarray(prepared)), data.test.y)},
    )
