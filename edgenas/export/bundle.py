"""From a trained Keras model to a folder of artifacts, each compared with that model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.cost.types import Cost
from edgenas.deploy.deploy import deploy
from edgenas.deploy.samples import RawSamples
from edgenas.errors import DataError
from edgenas.export.folder import replaced_folder
from edgenas.export.manifest import MANIFEST_NAME, Artifact, Manifest
from edgenas.export.micro import MicroRun, run_micro
from edgenas.export.onnx import float32_onnx, int8_onnx
from edgenas.export.parity import MOST_IMAGES, Parity, accuracy, float_parity, int8_parity
from edgenas.export.running import Program, load_onnx, load_tflite
from edgenas.export.task_parity import judge, task_parity
from edgenas.export.tflite import float32_for_onnx, float32_tflite, int8_tflite
from edgenas.quantize import SCHEMES
from edgenas.quantize.calibration import check_calibration
from edgenas.store import storage_errors
from edgenas.task import CLASSIFICATION, Task

LabelledImages = tuple[np.ndarray, np.ndarray]
"""float32 images (n, height, width, channels) and labels as the task has them."""

THREADS = 2
"""Files that run at the same time while they are compared, each on one thread."""


@dataclass(frozen=True)
class _File:
    name: str
    content: bytes
    program: Program

    @property
    def precision(self) -> str:
        return self.name.split(".")[1]


def export_bundle(
    model: Any,
    *,
    out_dir: Path,
    input_shape: Shape,
    calibration: np.ndarray,
    held_back: LabelledImages,
    test: LabelledImages | None = None,
    cost: Cost | None = None,
    description: Mapping[str, Any] | None = None,
    scheme: str = "full-int8",
    samples: RawSamples | None = None,
    task: Task = CLASSIFICATION,
    normal: np.ndarray | None = None,
) -> Manifest:
    """Quantize, convert and verify a network, and write its bundle.

    A bundle holds ``model.float32.tflite``, ``model.int8.tflite``, ``model.float32.onnx``,
    ``model.int8.onnx`` and ``manifest.json``; all have a batch of 1 and read NHWC images. What
    `edgenas.deploy` makes of them stands beside: sources in C, projects, samples, test vectors,
    documents and the proof.

    Args:
        model: A trained tf_keras model, or a Keras 3 model on TensorFlow.
        out_dir: Folder of the bundle; an older bundle there is replaced whole.
        input_shape: What the network reads, batch axis left out.
        calibration: float32 images of the training split, some 200.
        held_back: Images and labels of the validation split; parity is checked on the first 1,000.
        test: Images and labels of the test split, or None to leave it untouched.
        cost: What was predicted of the network.
        description: What else the manifest should say, as a JSON document.
        scheme: Name of a quantization scheme.
        samples: Raw inputs for the test vectors; by default the first held-back images as they are.
        task: What the network is for.
        normal: float32 training inputs from whose scores the threshold of an anomaly detector comes, some
            1,000; None takes the calibration images.

    Returns:
        The manifest that was written.

    Raises:
        DataError: Calibration or held-back images that do not fit the network.
        UnsupportedError: The network cannot be converted.
        ParityError: A file does not agree with the Keras model.
        StoreError: The folder cannot be written; what was there before stays.
    """
    check_calibration(calibration, input_shape)
    for name, images in (("held-back", held_back), ("test", test)):
        _check_images(name, images, input_shape)
    with replaced_folder(out_dir, MANIFEST_NAME) as folder:
        files = _convert(model, input_shape, calibration, scheme)
        reference = keras_outputs(model, held_back[0])
        classifies = task == CLASSIFICATION
        micro = run_micro(files[1].content, files[1].program, held_back[0], classes=classifies)
        manifest = Manifest(
            artifacts=_verified(
                files, held_back, test, reference, task, calibration if normal is None else normal
            ),
            scheme=scheme,
            calibration_images=len(calibration),
            keras_accuracy=accuracy(reference, held_back[1]) if classifies else None,
            keras_metrics={} if classifies else task.figures(reference, *held_back),
            task=task,
            cost=None if cost is None else cost.to_json(),
            tflite_micro=micro if isinstance(micro, MicroRun) else None,
            tflite_micro_note=micro if isinstance(micro, str) else None,
            description=description or {},
        )
        with storage_errors(out_dir):
            for file in files:
                (folder / file.name).write_bytes(file.content)
        known = {file.name: (file.content, file.program) for file in files}
        samples = samples or RawSamples.of_prepared(*held_back, classes=reference.shape[-1])
        with storage_errors(out_dir):
            manifest = deploy(folder, manifest, known, samples, cost)
            text = json.dumps(manifest.to_json(), indent=1) + "\n"
            (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
    return manifest


def keras_outputs(model: Any, images: np.ndarray, batch: int = 250) -> np.ndarray:
    """Outputs of the Keras model, float32 (n, classes)."""
    batches = [images[start : start + batch] for start in range(0, len(images), batch)]
    return np.concatenate([np.asarray(model(one, training=False)) for one in batches])


def _check_images(name: str, labelled: LabelledImages | None, input_shape: Shape) -> None:
    if labelled is None:
        return
    images, labels = labelled
    if images.shape[1:] != tuple(input_shape) or len(images) != len(labels) or not len(images):
        raise DataError(
            f"{name} images of shape {images.shape} with {len(labels)} labels were given; expected at "
            f"least one image of shape {tuple(input_shape)}, and one label for each"
        )


def _convert(model: Any, input_shape: Shape, calibration: np.ndarray, scheme: str) -> list[_File]:
    """The four files, ready to run."""
    quantizer = SCHEMES.get(scheme)()
    tflite = float32_tflite(model, input_shape)
    onnx = float32_onnx(float32_for_onnx(model, input_shape, tflite))
    int8 = int8_tflite(model, calibration, quantizer)
    int8_qdq = int8_onnx(onnx, calibration, quantizer)
    return [
        _File("model.float32.tflite", tflite, load_tflite(tflite)),
        _File("model.int8.tflite", int8, load_tflite(int8)),
        _File("model.float32.onnx", onnx, load_onnx(onnx)),
        _File("model.int8.onnx", int8_qdq, load_onnx(int8_qdq)),
    ]


def _verified(
    files: list[_File],
    held_back: LabelledImages,
    test: LabelledImages | None,
    reference: np.ndarray,
    task: Task,
    normal: np.ndarray,
) -> tuple[Artifact, ...]:
    """An entry for each file after its comparison; the test images are run only when all agree."""
    with ThreadPoolExecutor(THREADS) as pool:
        outputs = list(pool.map(lambda file: file.program.run(held_back[0]), files))
        parities = [
            _parity(file, out, reference, held_back, task) for file, out in zip(files, outputs, strict=True)
        ]
        splits = {"validation": held_back, **({"test": test} if test is not None else {})}
        runs = [{"validation": out} for out in outputs]
        if test is not None:
            for run, out in zip(runs, pool.map(lambda file: file.program.run(test[0]), files), strict=True):
                run["test"] = out
        artifacts = [_artifact(file, parity) for file, parity in zip(files, parities, strict=True)]
        if task == CLASSIFICATION:
            return tuple(
                replace(
                    artifact, accuracy={part: accuracy(out, splits[part][1]) for part, out in run.items()}
                )
                for artifact, run in zip(artifacts, runs, strict=True)
            )
        judged = [
            judge(task, file.program, run, splits, normal) for file, run in zip(files, runs, strict=True)
        ]
    return tuple(
        replace(artifact, metrics=metrics, use=use)
        for artifact, (metrics, use) in zip(artifacts, judged, strict=True)
    )


def _parity(
    file: _File, outputs: np.ndarray, reference: np.ndarray, held_back: LabelledImages, task: Task
) -> Parity:
    if file.precision == "int8" and task != CLASSIFICATION:
        return task_parity(task, file.name, outputs, reference, *held_back, step=file.program.step)
    outputs, reference = outputs[:MOST_IMAGES], reference[:MOST_IMAGES]
    if file.precision == "float32":
        return float_parity(file.name, outputs, reference, classes=task == CLASSIFICATION)
    return int8_parity(file.name, outputs, reference, file.program.step)


def _artifact(file: _File, parity: Parity) -> Artifact:
    return Artifact(
        file=file.name,
        format=file.name.rpartition(".")[2],
        precision=file.precision,
        sha256=hashlib.sha256(file.content).hexdigest(),
        bytes=len(file.content),
        input=file.program.input,
        output=file.program.output,
        parity=parity,
        accuracy={},
    )
