"""The manifest of a bundle: what each file is, how it was proven, what it was predicted to cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgenas.deploy.proof import Proof
from edgenas.documents import check_fields, reading
from edgenas.errors import ConfigError
from edgenas.export.micro import MicroRun
from edgenas.export.parity import Parity
from edgenas.export.running import Port
from edgenas.export.schemes import SchemeResult
from edgenas.task import CLASSIFICATION, Task, task_from

SCHEMA_VERSION = 2
"""2 has schemes and tasks."""
MANIFEST_NAME = "manifest.json"
MEND = "export again"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a bundle.

    Attributes:
        file: Its name in the bundle.
        format: ``tflite`` or ``onnx``.
        precision: ``float32``, ``float16``, ``int8``, ``int16x8``, ``dynamic-range`` or ``mixed-int8``.
        sha256: Checksum of its content, 64 hexadecimal digits.
        bytes: Its size.
        input: What it reads.
        output: What it writes.
        parity: How far it agrees with its Keras model on held-back images.
        accuracy: Share of right classes by split: ``validation``, and ``test`` if it was touched; empty
            for other tasks.
        scheme: Name of the scheme that made it (since schema 2).
        metrics: The figures of another task by split, see `edgenas.task`.
        use: What a device needs to make use of the outputs of another task, and how well that works:
            the threshold of an anomaly detector, the output step of a regression in units of the target.
    """

    file: str
    format: str
    precision: str
    sha256: str
    bytes: int
    input: Port
    output: Port
    parity: Parity
    accuracy: Mapping[str, float]
    scheme: str
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    use: Mapping[str, Any] = field(default_factory=dict)

    def figures(self, split: str) -> Mapping[str, Any]:
        """Its figures on a split by name, whatever the task; empty where it was not run."""
        if split in self.accuracy:
            return {"accuracy": self.accuracy[split]}
        return self.metrics.get(split, {})

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {
            "file": self.file,
            "format": self.format,
            "precision": self.precision,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "input": self.input.to_json(),
            "output": self.output.to_json(),
            "parity": self.parity.to_json(),
            "accuracy": dict(self.accuracy),
            "scheme": self.scheme,
            **(
                {"metrics": {split: dict(found) for split, found in self.metrics.items()}}
                if self.metrics
                else {}
            ),
            **({"use": dict(self.use)} if self.use else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Artifact:
        """What `to_json` wrote."""
        parsed = {
            "input": Port.from_json(document["input"]),
            "output": Port.from_json(document["output"]),
            "parity": Parity.from_json(document["parity"]),
        }
        return cls(**{**document, **parsed})


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of a bundle beside its models: sources, projects, samples, vectors, documents.

    Attributes:
        file: Its path in the bundle, with ``/`` between folders.
        sha256: Checksum of its content, 64 hexadecimal digits.
        bytes: Its size.
    """

    file: str
    sha256: str
    bytes: int

    @classmethod
    def of(cls, folder: Path, name: str) -> BundleFile:
        """The entry of a file that is there.

        Raises:
            OSError: It cannot be read.
        """
        content = (folder / name).read_bytes()
        return cls(name, hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a bundle.

    Attributes:
        artifacts: The files.
        scheme: Name of the scheme of ``model.int8.*``.
        calibration_images: How many images set the ranges.
        keras_accuracy: Share of right classes of the Keras model, before any scheme, on the validation
            images; None for another task.
        cost: The cost document that was predicted before training, or None; its ``source`` says how.
        tflite_micro: How TFLite Micro ran the int8 file, or None.
        tflite_micro_note: Why it did not, or None.
        description: What the caller knows of the network: its spec, data, preprocessing, versions.
        schemes: How each scheme that was tried did (since schema 2; empty in older ones).
        sensitivity: What each layer costs in int8, the worst first, or None where it was not asked: with
            ``layer, kind, gain`` (since schema 2).
        task: What the network is for, and with it how outputs become what a user wants.
        keras_metrics: The figures of the Keras model on the validation inputs, for another task.
        files: All other files but the manifest itself; none in bundles of before there were any.
        proof: What was tried with the files, or None in a bundle of before.
    """

    artifacts: tuple[Artifact, ...]
    scheme: str
    calibration_images: int
    keras_accuracy: float | None
    cost: Mapping[str, Any] | None
    tflite_micro: MicroRun | None
    tflite_micro_note: str | None
    description: Mapping[str, Any]
    schemes: tuple[SchemeResult, ...] = ()
    sensitivity: tuple[Mapping[str, Any], ...] | None = None
    task: Task = CLASSIFICATION
    keras_metrics: Mapping[str, float] = field(default_factory=dict)
    files: tuple[BundleFile, ...] = ()
    proof: Proof | None = None

    def artifact(self, file: str) -> Artifact:
        """A file by its name.

        Raises:
            KeyError: The bundle has no such file.
        """
        found = [artifact for artifact in self.artifacts if artifact.file == file]
        if not found:
            raise KeyError(file)
        return found[0]

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        added: dict[str, Any] = {}
        if self.proof is not None:
            files = [asdict(file) for file in self.files]
            added = {"proof": self.proof.to_json(), "files": files}
        return {
            "schema": SCHEMA_VERSION,
            **self._task_document(),
            "artifacts": [artifact.to_json() for artifact in self.artifacts],
            "scheme": self.scheme,
            "calibration_images": self.calibration_images,
            "keras_accuracy": self.keras_accuracy,
            "cost": None if self.cost is None else dict(self.cost),
            "predicted_against_real": self._predicted_against_real(),
            "tflite_micro": None if self.tflite_micro is None else self.tflite_micro.to_json(),
            "tflite_micro_note": self.tflite_micro_note,
            "description": dict(self.description),
            "schemes": [result.to_json() for result in self.schemes],
            "sensitivity": None if self.sensitivity is None else [dict(entry) for entry in self.sensitivity],
            **added,
        }

    def _task_document(self) -> dict[str, Any]:
        if self.task == CLASSIFICATION:
            return {}
        task = {**self.task.to_json(), **self.task.describe()}
        return {"task": task, "keras_metrics": dict(self.keras_metrics)}

    def _predicted_against_real(self) -> dict[str, Any] | None:
        """Predicted sizes beside those of the int8 TFLite file; derived, so `from_json` skips it."""
        if self.cost is None:
            return None
        real = next((a.bytes for a in self.artifacts if a.file == "model.int8.tflite"), None)
        return {
            "flash_bytes": {"predicted": self.cost.get("flash_bytes"), "real": real},
            "peak_ram_bytes": {
                "predicted": self.cost.get("peak_ram_bytes"),
                "real": None if self.tflite_micro is None else self.tflite_micro.arena_bytes,
            },
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Manifest:
        """The manifest that `to_json` wrote.

        Raises:
            ConfigError: It lacks a field or was written by a newer version.
        """
        version = document.get("schema")
        if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
            raise ConfigError(
                f"a manifest of schema {version!r} was given; this version of edgenas reads 1 to "
                f"{SCHEMA_VERSION}: update edgenas or export again"
            )
        fields = {key: document.get(key) for key in ("cost", "tflite_micro_note")}
        micro, proof = document.get("tflite_micro"), document.get("proof")
        sensitivity, described = document.get("sensitivity"), task_from(document.get("task"))
        with reading("manifest", MEND):
            manifest = cls(
                artifacts=tuple(
                    Artifact.from_json({"scheme": _scheme_before_2(entry, document), **entry})
                    for entry in document["artifacts"]
                ),
                scheme=document["scheme"],
                calibration_images=document["calibration_images"],
                keras_accuracy=document["keras_accuracy"],
                tflite_micro=None if micro is None else MicroRun.from_json(micro),
                description=document["description"],
                schemes=tuple(SchemeResult.from_json(entry) for entry in document.get("schemes", [])),
                sensitivity=None if sensitivity is None else tuple(sensitivity),
                files=tuple(BundleFile(**entry) for entry in document.get("files", ())),
                proof=None if proof is None else Proof.from_json(proof),
                task=described,
                keras_metrics=document.get("keras_metrics", {}),
                **fields,
            )
            check_fields(manifest, "manifest", MEND)
        return manifest


def _scheme_before_2(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The scheme of a file of schema 1, which had one scheme for all its int8 files."""
    return str(manifest["scheme"]) if artifact["precision"] == "int8" else "float32"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle.

    Raises:
        ConfigError: The folder holds none, or a damaged one.
    """
    try:
        document = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{folder} holds no readable {MANIFEST_NAME} ({error}); export again") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{folder / MANIFEST_NAME} is not a JSON object; export again")
    return Manifest.from_json(document)
