"""A bundle used as its own instructions say, command by command."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgenas.deploy.deploy import deploy
from edgenas.deploy.proof import Proof
from edgenas.export.running import load_onnx
from tests.deploy.small_bundle import ONNX, Bundle

CROSS = ("arm-none-eabi-gcc", "qemu-system-arm")


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


def commands(readme: Path) -> list[str]:
    """The blocks of commands of a README."""
    return re.findall(r"^```\n(.*?)^```$", readme.read_text(), re.M | re.S)


def follow(readme: Path, block: int) -> str:
    """Run one block of commands in the folder of its README; what it printed."""
    done = subprocess.run(
        ["bash", "-euc", commands(readme)[block]],
        cwd=readme.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs("cmake", "gcc")
def test_cmake_on_this_machine(copied: Bundle) -> None:
    assert "100% tests passed" in follow(copied.folder / "projects" / "cmake" / "README.md", 0)


@needs("cmake", *CROSS)
def test_cmake_on_an_emulated_cortex_m4(copied: Bundle) -> None:
    assert "100% tests passed" in follow(copied.folder / "projects" / "cmake" / "README.md", 1)


@needs(*CROSS)
def test_the_emulated_board_prints_what_the_host_prints(copied: Bundle) -> None:
    printed = follow(copied.folder / "projects" / "qemu" / "README.md", 0)
    assert "PASSED: 5 vectors, 0 failed" in printed
    assert {one.output for one in copied.manifest.proof.ran} == {printed}


@needs(*CROSS)
def test_the_emulated_board_says_when_something_is_wrong(copied: Bundle) -> None:
    vectors = copied.c / "test_vectors.h"
    vectors.write_text(re.sub(r"HASH 0x\w+u", "HASH 0x12345678u", vectors.read_text()))
    done = subprocess.run(
        ["bash", "-euc", commands(copied.folder / "projects" / "qemu" / "README.md")[0]],
        cwd=copied.folder / "projects" / "qemu", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "FAILED: 5 vectors, 1 failed" in done.stdout


def classify(bundle: Bundle, *words: object) -> str:
    script = bundle.folder / "samples" / "linux" / "classify.py"
    done = subprocess.run(
        [sys.executable, str(script), *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_linux_sample_runs_the_vectors_and_files(bundle: Bundle, tmp_path: Path) -> None:
    assert classify(bundle, "--test").endswith("PASSED\n")
    raw, best = bundle.samples.values[0], bundle.facts.output
    prepared = bundle.facts.input.quantize(bundle.samples.prepared(raw[None]))
    np.save(tmp_path / "raw.npy", raw)
    Image.fromarray(np.kron(raw[..., 0], np.ones((3, 3), np.uint8))).save(tmp_path / "three_times.png")
    answers = [classify(bundle, tmp_path / name).splitlines() for name in ("raw.npy", "three_times.png")]
    assert answers[0][:3] == answers[1][:3] and len(answers[0]) == 4
    from edgenas.export.running import load_tflite

    scores = best.dequantize(load_tflite(bundle.facts.model).run_raw(prepared))[0]
    assert answers[0][0].split() == [f"{scores.max():.2%}", bundle.samples.class_names[scores.argmax()]]


def test_the_readme_has_a_line_for_every_file(bundle: Bundle) -> None:
    text = (bundle.folder / "README.md").read_text()
    named = re.findall(r"^\| `([^`]+)` \|", text, re.M)
    files = [
        path.relative_to(bundle.folder).as_posix() for path in bundle.folder.rglob("*") if path.is_file()
    ]
    for file in files:
        assert any(file == name or (name.endswith("/") and file.startswith(name)) for name in named), file
    for name in named:
        assert (bundle.folder / name).exists(), name


def test_the_card_has_the_figures_of_the_manifest(bundle: Bundle) -> None:
    text = (bundle.folder / "model_card.md").read_text()
    for one in bundle.manifest.artifacts:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{one.file}` |"))
        assert f"{one.accuracy['test']:.2%}" in row and one.precision in row
    assert "Trained on `digits`" in text and ", ".join(bundle.samples.class_names) in text


def test_without_an_int8_file_there_are_no_sources_and_the_bundle_says_why(
    bundle: Bundle, tmp_path: Path
) -> None:
    content = (bundle.folder / ONNX).read_bytes()
    (tmp_path / ONNX).write_bytes(content)
    manifest = deploy(tmp_path, bundle.manifest, {ONNX: (content, load_onnx(content))}, bundle.samples, None)
    assert manifest.proof == Proof(note="no C sources: the bundle has no model.int8.tflite")
    assert {file.file for file in manifest.files} == {"README.md", "model_card.md", "LICENSES.md"}
    assert "no C sources" in (tmp_path / "model_card.md").read_text()
    assert "projects/cmake" not in (tmp_path / "README.md").read_text()
