"""From a trained Keras model to a folder of artifacts, each compared with its Keras model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph, Shape
from edgenas.cost.types import Cost
from edgenas.deploy.deploy import deploy
from edgenas.deploy.samples import RawSamples
from edgenas.errors import DataError
from edgenas.export.folder import replaced_folder
from edgenas.export.making import keras_outputs
from edgenas.export.manifest import MANIFEST_NAME, Artifact, Manifest
from edgenas.export.micro import MicroRun, run_micro
from edgenas.export.onnx import float32_onnx
from edgenas.export.parity import Parity, accuracy
from edgenas.export.running import Program, load_onnx, load_tflite
from edgenas.export.schemes import SchemePlan
from edgenas.export.task_parity import judge, parity_of
from edgenas.export.tflite import float32_for_onnx, float32_tflite
from edgenas.export.trying import Tried, sensitivity_of, tried_schemes
from edgenas.quantize.calibration import check_calibration
from edgenas.quantize.scheme import LabelledImages, Material, Network
from edgenas.store import storage_errors
from edgenas.task import CLASSIFICATION, Task

THREADS = 2
"""Files that run at the same time while they are compared, each on one thread."""


@dataclass(frozen=True)
class _File:
    name: str
    content: bytes
    program: Program
    reference: np.ndarray
    precision: str
    scheme: str


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
    plan: SchemePlan | None = None,
    graph: OpGraph | None = None,
    train: LabelledImages | None = None,
    samples: RawSamples | None = None,
    task: Task = CLASSIFICATION,
    normal: np.ndarray | None = None,
) -> Manifest:
    """Compress, convert and verify a network, and write its bundle.

    A bundle holds ``model.float32.tflite``, ``model.int8.tflite``, ``model.float32.onnx``,
    ``model.int8.onnx`` and ``manifest.json``, and ``model.SCHEME.tflite`` and ``.onnx`` of each other
    scheme that is on the front; all have a batch of 1 and read NHWC images. What `edgenas.deploy` makes
    of them stands beside: sources in C, projects, samples, test vectors, documents and the proof.

    Args:
        model: A trained tf_keras model, or a Keras 3 model on TensorFlow.
        out_dir: Folder of the bundle; an older bundle there is replaced whole.
        input_shape: What the network reads, batch axis left out.
        calibration: float32 images of the training split, some 200.
        held_back: Images and labels of the validation split, which schemes are chosen by; parity is
            checked on the first 1,000.
        test: Images and labels of the test split, or None to leave it untouched.
        cost: What was predicted of the network.
        description: What else the manifest should say, as a JSON document.
        plan: Which schemes to try; None for full int8 alone.
        graph: The network's operations, which schemes that train need; read from the model where None.
        train: Images and labels of the training split, which schemes that train need.
        samples: Raw inputs for the test vectors; by default the first held-back images as they are.
        task: What the network is for.
        normal: float32 training inputs from whose scores the threshold of an anomaly detector comes, some
            1,000; None takes the calibration images.

    Returns:
        The manifest that was written.

    Raises:
        UnknownNameError: No scheme of that name.
        DataError: Calibration, training or held-back images that do not fit the network.
        UnsupportedError: The network cannot be converted.
        ParityError: A file does not agree with its Keras model.
        StoreError: The folder cannot be written; what was there before stays.
    """
    plan = plan or SchemePlan()
    names = plan.names
    check_calibration(calibration, input_shape)
    for name, split in (("held-back", held_back), ("test", test), ("training", train)):
        _check_images(name, split, input_shape)
    material = Material(calibration, train, held_back, plan.images, plan.seed)
    network = Network(model, graph)
    with replaced_folder(out_dir, MANIFEST_NAME) as folder:
        reference = keras_outputs(model, held_back[0])
        floats = _float_files(model, input_shape, reference)
        tried = tried_schemes(names, network, material, floats[0].content, plan, task)
        files = [*floats, *_scheme_files(tried)]
        files.sort(key=lambda file: (_place(file), file.name))
        int8 = next(file for file in files if file.name == "model.int8.tflite")
        classifies = task == CLASSIFICATION
        micro = run_micro(int8.content, int8.program, held_back[0], classes=classifies)
        artifacts = _verified(files, held_back, test, task, calibration if normal is None else normal)
        keras_figures = task.figures(reference, *held_back)
        manifest = Manifest(
            artifacts=artifacts,
            scheme=tried.adopted,
            calibration_images=len(calibration),
            keras_accuracy=keras_figures["accuracy"] if classifies else None,
            keras_metrics={} if classifies else keras_figures,
            task=task,
            cost=None if cost is None else cost.to_json(),
            tflite_micro=micro if isinstance(micro, MicroRun) else None,
            tflite_micro_note=micro if isinstance(micro, str) else None,
            description=description or {},
            schemes=tried.results,
            sensitivity=_sensitivity(network, material, tried, keras_figures, plan),
        )
        samples = samples or RawSamples.of_prepared(*held_back, classes=reference.shape[-1])
        with storage_errors(out_dir):
            return _written(folder, manifest, files, samples, cost)


def _written(
    folder: Path, manifest: Manifest, files: list[_File], samples: RawSamples, cost: Cost | None
) -> Manifest:
    """Write the files and all that `edgenas.deploy` makes of them; returns the manifest with the proof."""
    for file in files:
        (folder / file.name).write_bytes(file.content)
    known = {file.name: (file.content, file.program) for file in files}
    manifest = deploy(folder, manifest, known, samples, cost)
    text = json.dumps(manifest.to_json(), indent=1) + "\n"
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
    return manifest


def _float_files(model: Any, input_shape: Shape, reference: np.ndarray) -> list[_File]:
    """The two float32 files, ready to run."""
    tflite = float32_tflite(model, input_shape)
    onnx = float32_onnx(float32_for_onnx(model, input_shape, tflite))
    return [
        _File("model.float32.tflite", tflite, load_tflite(tflite), reference, "float32", "float32"),
        _File("model.float32.onnx", onnx, load_onnx(onnx), reference, "float32", "float32"),
    ]


def _sensitivity(
    network: Network, material: Material, tried: Tried, figures: Mapping[str, float], plan: SchemePlan
) -> tuple[Mapping[str, Any], ...] | None:
    """What each layer costs in int8; only known of classifiers."""
    if "accuracy" not in figures:
        return None
    lost = figures["accuracy"] - tried.adopted_accuracy
    return sensitivity_of(network, material, lost, asked=plan.sensitivity)


def _scheme_files(tried: Tried) -> list[_File]:
    """The files of the schemes that are kept, ready to run."""
    return [
        _File(
            name, content, load_tflite(content) if name.endswith(".tflite") else load_onnx(content),
            made.reference, made.precision, made.scheme,
        )
        for name, content, made in tried.files()
    ]  # fmt: skip


def _place(file: _File) -> int:
    """The four standard files first, in their usual order."""
    usual = ("model.float32.tflite", "model.int8.tflite", "model.float32.onnx", "model.int8.onnx")
    return usual.index(file.name) if file.name in usual else len(usual)


def _check_images(name: str, labelled: LabelledImages | None, input_shape: Shape) -> None:
    if labelled is None:
        return
    images, labels = labelled
    if images.shape[1:] != tuple(input_shape) or len(images) != len(labels) or not len(images):
        raise DataError(
            f"{name} images of shape {images.shape} with {len(labels)} labels were given; expected at "
            f"least one image of shape {tuple(input_shape)}, and one label for each"
        )


def _verified(
    files: list[_File],
    held_back: LabelledImages,
    test: LabelledImages | None,
    task: Task,
    normal: np.ndarray,
) -> tuple[Artifact, ...]:
    """An entry for each file after its comparison; the test images are run only when all agree."""
    with ThreadPoolExecutor(THREADS) as pool:
        outputs = list(pool.map(lambda file: file.program.run(held_back[0]), files))
        parities = [_parity(file, out, held_back, task) for file, out in zip(files, outputs, strict=True)]
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


def _parity(file: _File, outputs: np.ndarray, held_back: LabelledImages, task: Task) -> Parity:
    return parity_of(
        task, file.name, file.precision, outputs, file.reference, held_back, step=file.program.step
    )


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
        scheme=file.scheme,
    )
