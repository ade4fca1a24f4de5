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
from edgenas.errors import DataError
from edgenas.export.folder import replaced_folder
from edgenas.export.making import keras_outputs
from edgenas.export.manifest import MANIFEST_NAME, Artifact, Manifest
from edgenas.export.micro import MicroRun, run_micro
from edgenas.export.onnx import float32_onnx
from edgenas.export.parity import MOST_IMAGES, Parity, accuracy, float_parity, int8_parity
from edgenas.export.running import Program, load_onnx, load_tflite
from edgenas.export.schemes import SchemePlan
from edgenas.export.tflite import float32_tflite
from edgenas.export.trying import Tried, sensitivity_of, tried_schemes
from edgenas.quantize.calibration import check_calibration
from edgenas.quantize.scheme import LabelledImages, Material, Network
from edgenas.store import storage_errors

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
) -> Manifest:
    """Compress, convert and verify a network, and write its bundle.

    A bundle holds ``model.float32.tflite``, ``model.int8.tflite``, ``model.float32.onnx``,
    ``model.int8.onnx`` and ``manifest.json``, and ``model.SCHEME.tflite`` and ``.onnx`` of each other
    scheme that is on the front; all have a batch of 1 and read NHWC images.

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
        tried = tried_schemes(names, network, material, floats[0].content, plan)
        files = [*floats, *_scheme_files(tried)]
        files.sort(key=lambda file: (_place(file), file.name))
        int8 = next(file for file in files if file.name == "model.int8.tflite")
        micro = run_micro(int8.content, int8.program, held_back[0])
        artifacts = _verified(files, held_back, test)
        keras_accuracy = accuracy(reference, held_back[1])
        lost = keras_accuracy - tried.adopted_accuracy
        manifest = Manifest(
            artifacts=artifacts,
            scheme=tried.adopted,
            calibration_images=len(calibration),
            keras_accuracy=keras_accuracy,
            cost=None if cost is None else cost.to_json(),
            tflite_micro=micro if isinstance(micro, MicroRun) else None,
            tflite_micro_note=micro if isinstance(micro, str) else None,
            description=description or {},
            schemes=tried.results,
            sensitivity=sensitivity_of(network, material, lost, asked=plan.sensitivity),
        )
        with storage_errors(out_dir):
            for file in files:
                (folder / file.name).write_bytes(file.content)
            text = json.dumps(manifest.to_json(), indent=1) + "\n"
            (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
    return manifest


def _float_files(model: Any, input_shape: Shape, reference: np.ndarray) -> list[_File]:
    """The two float32 files, ready to run."""
    tflite = float32_tflite(model, input_shape)
    onnx = float32_onnx(tflite)
    return [
        _File("model.float32.tflite", tflite, load_tflite(tflite), reference, "float32", "float32"),
        _File("model.float32.onnx", onnx, load_onnx(onnx), reference, "float32", "float32"),
    ]


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
    files: list[_File], held_back: LabelledImages, test: LabelledImages | None
) -> tuple[Artifact, ...]:
    """An entry for each file after its comparison; the test images are run only when all agree."""
    with ThreadPoolExecutor(THREADS) as pool:
        outputs = list(pool.map(lambda file: file.program.run(held_back[0]), files))
        artifacts = [
            _artifact(file, _parity(file, out), accuracy(out, held_back[1]))
            for file, out in zip(files, outputs, strict=True)
        ]
        if test is not None:
            scores = pool.map(lambda file: accuracy(file.program.run(test[0]), test[1]), files)
            artifacts = [
                replace(artifact, accuracy={**artifact.accuracy, "test": score})
                for artifact, score in zip(artifacts, scores, strict=True)
            ]
    return tuple(artifacts)


def _parity(file: _File, outputs: np.ndarray) -> Parity:
    outputs, reference = outputs[:MOST_IMAGES], file.reference[:MOST_IMAGES]
    if file.precision == "float32":
        return float_parity(file.name, outputs, reference)
    return int8_parity(file.name, outputs, reference, file.program.step)


def _artifact(file: _File, parity: Parity, validation: float) -> Artifact:
    return Artifact(
        file=file.name,
        format=file.name.rpartition(".")[2],
        precision=file.precision,
        sha256=hashlib.sha256(file.content).hexdigest(),
        bytes=len(file.content),
        input=file.program.input,
        output=file.program.output,
        parity=parity,
        accuracy={"validation": validation},
        scheme=file.scheme,
    )
