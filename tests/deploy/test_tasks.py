"""Bundles of each task: what C makes of their outputs, what documents and samples say, what verify finds."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgenas.arch.spec import ArchSpec, Block
from edgenas.data import from_arrays, load_dataset
from edgenas.data.dataset import Dataset
from edgenas.deploy.deploy import deploy
from edgenas.deploy.outputs import OUTPUTS, AnomalyOutputs, TargetOutputs
from edgenas.deploy.rendering import TEMPLATES
from edgenas.deploy.vectors import read_vectors, run_interpreter, run_reference
from edgenas.deploy.verify import verify
from edgenas.deploy.verify_accuracy import accuracy_checks
from edgenas.export.manifest import read_manifest
from edgenas.export.running import load_tflite
from edgenas.task import Anomaly, Regression, Task
from tests.deploy.compiled import in_c, needs_gcc, pointer, shared_library
from tests.deploy.small_bundle import INT8, Bundle, make_bundle

LAYER = {"activation": "relu", "batch_norm": False}
Build = Callable[[Path], ctypes.CDLL]


def network(shape: tuple[int, ...], classes: int, *blocks: tuple[str, dict[str, object]]) -> ArchSpec:
    return ArchSpec("by hand", shape, classes, tuple(Block(kind, args) for kind, args in blocks), {})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def targets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Dataset]:
    """Two targets of very different size from six features."""
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(300, 6)) * [1, 10, 100, 1, 1, 1] + 5).astype(np.float32)
    y = np.stack([1e5 + 300 * x[:, 0], 1e-3 * x[:, 1]], axis=1)
    data = from_arrays(x, y, task="regression", class_names=["far*/away", 'the "near"'])
    data = replace(data, columns=("age", "height", "weight", "a*/b", "c", "d"))
    spec = network(
        (6,), 2, ("dense", {"units": 8, **LAYER}), ("series_head", {"classes": 2, "activation": "linear"})
    )
    return make_bundle(tmp_path_factory.mktemp("targets") / "bundle", data, spec=spec), data


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Dataset]:
    """Nines among the digits: 8-bit images, laid flat and given back."""
    data = load_dataset("digits", task="anomaly", anomalous=("9",))
    spec = network(
        (8, 8, 1),
        64,
        ("flat", {}),
        ("dense", {"units": 8, **LAYER}),
        ("reconstruction", {"activation": "linear"}),
    )
    return make_bundle(tmp_path_factory.mktemp("detector") / "bundle", data, spec=spec), data


@pytest.fixture(scope="session")
def recurrent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Dataset]:
    """Two classes of series, told by an LSTM."""
    x = np.random.default_rng(2).normal(size=(90, 6, 3)).astype(np.float32)
    data = from_arrays(x, np.arange(90) % 2, kind="series")
    head = {"classes": 2, "pool": "last", "activation": "softmax"}
    spec = network(
        (6, 3), 2, ("series", {}), ("tconv", {"filters": 4, "kernel": 3, "stride": 2}),
        ("lstm", {"units": 4}), ("series_head", head),
    )  # fmt: skip
    return make_bundle(tmp_path_factory.mktemp("recurrent") / "bundle", data, spec=spec), data


Made = tuple[Bundle, Dataset]


@pytest.fixture(params=["targets", "detector", "recurrent"])
def made(request: pytest.FixtureRequest) -> Made:
    found: Made = request.getfixturevalue(request.param)
    return found


def test_the_proof_holds_and_verify_finds_nothing(made: Made) -> None:
    bundle, data = made
    proof = bundle.manifest.proof
    assert proof is not None and not proof.failures and not proof.note
    checks = verify(bundle.folder, read_manifest(bundle.folder), data)
    assert not [check for check in checks if check.passed is False]
    again = [check for check in checks if "in the manifest" in check.detail]
    assert [check.subject for check in again] == [one.file for one in bundle.manifest.artifacts]
    told = next(check for check in checks if check.subject == "postprocessing")
    assert told.detail == f"{bundle.outputs.results_name} of 5 vectors, equal bytes"


@needs_gcc
def test_targets_in_c_are_those_of_python_and_of_the_task(targets: Made, tmp_path: Path) -> None:
    bundle, _ = targets
    library = shared_library(bundle.c, tmp_path)
    output = np.random.default_rng(3).integers(-128, 128, (200, 2), np.int8)
    found = in_c(library, "edgenas_targets", output, np.zeros((200, 2), np.float32))
    expected = bundle.outputs.results(bundle.facts.output, output, output)
    assert found.tobytes() == expected.tobytes()
    task = bundle.manifest.task
    assert isinstance(task, Regression)
    assert found == pytest.approx(task.restore(bundle.facts.output.dequantize(output)), rel=1e-6)
    names = (ctypes.c_char_p * 2).in_dll(library, "edgenas_target_names")
    assert [(name or b"").decode() for name in names] == list(task.names) == ["far*/away", 'the "near"']


@needs_gcc
def test_scores_in_c_are_those_of_python_and_of_the_task(detector: Made, tmp_path: Path) -> None:
    bundle, data = detector
    library = shared_library(bundle.c, tmp_path)
    library.edgenas_score_u8.restype = library.edgenas_score_f32.restype = ctypes.c_float
    library.edgenas_is_anomaly.argtypes = [ctypes.c_float]
    raw = data.test.x
    prepared = data.normalization.apply(raw)
    output = load_tflite(bundle.facts.model).run_raw(bundle.facts.input.quantize(prepared))
    expected = bundle.outputs.results(bundle.facts.output, output, prepared)[:, 0]
    rows = list(zip(np.ascontiguousarray(raw), output, strict=True))
    found = [library.edgenas_score_u8(pointer(one), pointer(out)) for one, out in rows]
    assert found == expected.tolist()
    floats = [one.astype(np.float32) for one, _ in rows]
    assert found == [
        library.edgenas_score_f32(pointer(one), pointer(out))
        for one, (_, out) in zip(floats, rows, strict=True)
    ]
    task, use = bundle.manifest.task, bundle.manifest.artifact(INT8).use
    assert isinstance(task, Anomaly)
    assert found == pytest.approx(task.scores(bundle.facts.output.dequantize(output), prepared), rel=1e-5)
    above = np.array([library.edgenas_is_anomaly(score) for score in found], bool)
    assert use["test"]["found"] == pytest.approx(above[data.test.y == 1].mean(), abs=1e-9)
    assert library.edgenas_is_anomaly(float("nan")) == 1


def test_vectors_of_a_detector_are_of_both_kinds(detector: Made) -> None:
    vectors = read_vectors(detector[0].folder)
    assert vectors.labels.tolist() == [0, 0, 0, 1, 1]
    outputs = detector[0].outputs
    assert outputs.vectors(np.zeros(3), 5).tolist() == [0, 1, 2]
    assert outputs.vectors(np.ones(7), 5).tolist() == [0, 1, 2, 3, 4]
    index = json.loads((detector[0].folder / "test_vectors" / "vectors.json").read_text())
    assert index["schema"] == 2 and index["threshold"] > 0 and len(index["anomalous"]) == 5


def test_a_recurrent_network_begins_each_input_anew(recurrent: Made) -> None:
    bundle, _ = recurrent
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in bundle.facts.operators and bundle.facts.keeps_state
    source = (bundle.c / "tflm_model.cc").read_text()
    assert source.index("interpreter->Reset()") < source.index("memcpy(interpreter->input(0)")
    assert "AddUnidirectionalSequenceLSTM" in (bundle.c / "op_resolver.h").read_text()
    assert "resetVariableTensors" in (bundle.folder / "samples" / "android" / "Network.kt").read_text()
    values = bundle.facts.input.quantize(bundle.samples.prepared()[:3])
    twice = np.concatenate([values, values])
    for run in (run_reference, run_interpreter):
        if (outputs := run(bundle.facts.model, twice)) is not None:
            assert np.array_equal(outputs[:3], outputs[3:])


def test_a_network_without_state_is_not_reset(bundle: Bundle) -> None:
    assert "Reset()" not in (bundle.c / "tflm_model.cc").read_text()


def test_nobody_talks_of_classes_where_there_are_none(targets: Made, detector: Made) -> None:
    for bundle, _ in (targets, detector):
        for path in bundle.folder.rglob("*"):
            if path.suffix in {".md", ".h", ".c", ".cc", ".py", ".kt", ".ino"} and path.name != "LICENSES.md":
                words = path.read_text().lower().replace("class org", "").replace("data class", "")
                assert "@{" not in words and "accurac" not in words, path
                assert "classes" not in words.replace("two classes in kotlin", ""), path
                assert "classif" not in words, path


def test_the_card_says_what_an_engineer_needs(targets: Made, detector: Made, recurrent: Made) -> None:
    cards = [(one[0].folder / "model_card.md").read_text() for one in (targets, detector, recurrent)]
    use = targets[0].manifest.artifact(INT8)
    assert "6 features in the order of the data" in cards[0] and "age, height, weight" in cards[0]
    assert f"| rmse_far*/away | {use.metrics['validation']['rmse_far*/away']:.4g} |" in cards[0]
    assert "range of int8" in cards[0]
    shares = detector[0].manifest.artifact(INT8).use["test"]
    assert f"{shares['found']:.1%} | {shares['false_alarms']:.1%} |" in cards[1]
    assert "6 time steps of 3 channels, one step after the other" in cards[2]
    config = (targets[0].c / "model_config.h").read_text()
    assert "Features: 0 age, 1 height, 2 weight, 3 a* /b" in config and "#define EDGENAS_TARGETS 2" in config
    assert "#define EDGENAS_INPUT_SHAPE {6, 3}" in (recurrent[0].c / "model_config.h").read_text()


def sample(bundle: Bundle, *words: object) -> str:
    script = bundle.folder / "samples" / "linux" / f"{bundle.outputs.script}.py"
    done = subprocess.run(
        [sys.executable, "-B", str(script), *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_linux_sample_says_what_the_results_are(made: Made, tmp_path: Path) -> None:
    bundle, _ = made
    vectors = read_vectors(bundle.folder)
    np.save(tmp_path / "raw.npy", vectors.raw[4])
    assert sample(bundle, "--test").endswith("PASSED\n")
    first = sample(bundle, tmp_path / "raw.npy").splitlines()[0]
    program = load_tflite(bundle.facts.model)
    output = program.run_raw(vectors.input[4:])
    result = bundle.outputs.results(bundle.facts.output, output, vectors.prepared[4:])[0]
    if isinstance(bundle.outputs, TargetOutputs):
        assert first == f'far*/away: {result[0]:.6g}, the "near": {result[1]:.6g}'
    elif isinstance(bundle.outputs, AnomalyOutputs):
        assert f"score {result[0]:.4g}, threshold {bundle.outputs.threshold:.4g}" in first
    else:
        assert first.split() == [f"{result.max():.2%}", str(result.argmax())]


def test_figures_that_were_boasted_are_found_out(targets: Made, detector: Made) -> None:
    for bundle, data in (targets, detector):
        task = bundle.manifest.task
        for figure in ("relative_rmse", "auc"):
            boasting = tuple(
                replace(
                    one,
                    metrics={
                        "test": {**one.metrics["test"], figure: one.metrics["test"].get(figure, 0) - 0.02}
                    },
                )
                for one in bundle.manifest.artifacts
            )
            found = [
                one.passed
                for one in accuracy_checks(bundle.folder, replace(bundle.manifest, artifacts=boasting), data)
            ]
            concerns = figure == ("auc" if task.name == "anomaly" else "relative_rmse")
            assert found == [not concerns] * len(found)


def test_results_that_were_changed_are_found(targets: Made, tmp_path: Path) -> None:
    copied = replace(targets[0], folder=targets[0].copy_to(tmp_path / "copy"))
    wrong = read_vectors(copied.folder).results.copy()
    wrong[0, 0] += 1
    copied.rewrite("test_vectors/targets.bin", wrong.tobytes())
    failed = [check for check in verify(copied.folder, read_manifest(copied.folder)) if check.passed is False]
    assert [(check.subject, check.detail) for check in failed] == [
        ("postprocessing", "targets differ from the test vectors")
    ]


def test_a_task_without_post_processing_gets_documents_and_is_told_why(targets: Made, tmp_path: Path) -> None:
    class Ranking(Regression):
        name = "ranking"

    bundle, _ = targets
    task: Task = Ranking(*(getattr(bundle.manifest.task, name) for name in ("scale", "offset", "names")))
    files = {INT8: (bundle.facts.model, load_tflite(bundle.facts.model))}
    manifest = deploy(tmp_path, replace(bundle.manifest, task=task), files, bundle.samples, None)
    assert manifest.proof is not None and "no post-processing for the task 'ranking'" in manifest.proof.note
    assert "serves the task `ranking`" in (tmp_path / "model_card.md").read_text()


def test_every_task_has_its_templates_and_all_are_used(bundle: Bundle, targets: Made, detector: Made) -> None:
    assert {path.name for path in (TEMPLATES / "tasks").iterdir()} == set(OUTPUTS.names())
    for one in (bundle, targets[0], detector[0]):
        home = TEMPLATES / "tasks" / one.outputs.task.name
        for template in home.rglob("*.in"):
            assert (one.folder / template.relative_to(home).as_posix().removesuffix(".in")).is_file()
