"""The test vectors of a bundle in each runtime that is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from edgenas.captured import captured
from edgenas.deploy.checks import Check
from edgenas.deploy.outputs import Outputs, outputs_of
from edgenas.deploy.outputs.outputs import INT8
from edgenas.deploy.vectors import Vectors, run_interpreter, run_reference
from edgenas.errors import UnsupportedError
from edgenas.export.manifest import Artifact, Manifest
from edgenas.export.parity import FLOAT_DIFFERENCE
from edgenas.export.running import Port, Program, load_onnx, load_tflite

RUNTIMES: dict[str, tuple[str, str, Callable[[bytes], Program]]] = {
    "tflite": ("ai_edge_litert", "LiteRT", load_tflite),
    "onnx": ("onnxruntime", "ONNX Runtime", load_onnx),
}
"""By format: the package, its name and what loads a file."""

STEPS = 8
"""Steps of the output by which fast int8 kernels of two processors may differ: 3 % of the scale."""

COARSE_STEP = 1 / 256
"""Step of a file whose output is computed in float behind int8 layers."""


def step_checks(manifest: Manifest, vectors: Vectors) -> Iterator[Check]:
    """Pre- and post-processing in Python, from stored inputs and int8 outputs to what must come of them."""
    artifact = manifest.artifact(INT8)
    same = np.array_equal(artifact.input.quantize(vectors.prepared), vectors.input)
    yield Check(
        "preprocessing",
        "Python",
        bool(same),
        f"{len(vectors)} vectors, equal bytes" if same else "quantized inputs differ from the test vectors",
    )
    try:
        outputs = outputs_of(manifest)
    except UnsupportedError as error:
        yield Check("postprocessing", "Python", None, str(error))
        return
    yield _postprocessing(outputs, artifact.output, vectors)


def _postprocessing(outputs: Outputs, port: Port, vectors: Vectors) -> Check:
    """The results as the C sources compute them, to the byte, and as the task does in float64."""
    found = outputs.results(port, vectors.output, vectors.prepared)
    exact, allowed = outputs.exact(port, vectors.output, vectors.prepared)
    if not np.array_equal(found, vectors.results):
        detail = f"{outputs.results_name} differ from the test vectors"
        return Check("postprocessing", "Python", False, detail)
    close = bool((np.abs(found - exact) <= allowed).all())
    detail = f"{outputs.results_name} of {len(vectors)} vectors, equal bytes"
    return Check(
        "postprocessing", "Python", close, detail if close else f"{detail}, but not those of the task"
    )


def runtime_checks(folder: Path, manifest: Manifest, vectors: Vectors) -> Iterator[Check]:
    """Each model file in its runtime, and the int8 file in the interpreters for microcontrollers."""
    for artifact in manifest.artifacts:
        yield _in_its_runtime(folder, artifact, vectors)
    int8 = (folder / INT8).read_bytes()
    yield _exact("TFLite-Micro", "tflite_micro", int8, vectors, run_interpreter)
    exact = manifest.proof.bit_exact if manifest.proof else None
    if exact is not None and exact.inputs and not exact.differing:
        yield _exact("LiteRT, reference kernels", "ai_edge_litert", int8, vectors, run_reference)


def _in_its_runtime(folder: Path, artifact: Artifact, vectors: Vectors) -> Check:
    package, name, load = RUNTIMES[artifact.format]
    if find_spec(package) is None:
        return Check(artifact.file, name, None, f"{package} is not installed")
    expected = vectors.outputs.get(artifact.file)
    if expected is None:
        return Check(artifact.file, name, None, "the test vectors hold no output of it")
    try:
        with captured():
            program = load((folder / artifact.file).read_bytes())
            found = program.run(vectors.prepared)
    except Exception as error:  # runtimes raise anything on a file that they cannot run
        return Check(artifact.file, name, False, str(error).splitlines()[0])
    difference = float(np.abs(found - expected).max())
    allowed = _allowed(artifact, program, expected)
    detail = f"outputs differ by {difference:.2g} at most, {allowed:.2g} is allowed"
    return Check(artifact.file, name, bool(difference <= allowed), detail)


def _allowed(artifact: Artifact, program: Program, expected: np.ndarray) -> float:
    if artifact.precision == "float32":
        return FLOAT_DIFFERENCE * max(1.0, float(np.abs(expected).max()))
    return STEPS * (program.step or COARSE_STEP)


def _exact(
    name: str,
    package: str,
    int8: bytes,
    vectors: Vectors,
    run: Callable[[bytes, np.ndarray], np.ndarray | None],
) -> Check:
    if find_spec(package) is None:
        return Check(INT8, name, None, f"{package} is not installed")
    found = run(int8, vectors.input)
    if found is None:
        return Check(INT8, name, False, "it cannot run the file")
    differing = int(np.count_nonzero(found != vectors.output))
    detail = (
        f"{differing} of {found.size} outputs differ" if differing else f"{len(vectors)} vectors, equal bytes"
    )
    return Check(INT8, name, differing == 0, detail)
