"""The guides are followed: blocks marked `sh` are run as they stand, page after page, in one folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, blocks
from tests.forked import Forking

EVERYTHING = os.environ.get("EDGENAS_GUIDES") == "all"


@pytest.fixture(scope="module")
def folder(forking: Forking, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as after the installation: `edgenas` is a command, nothing else is there."""
    found = tmp_path_factory.mktemp("guides")
    (found / "bin").mkdir()
    forking.write_command(found / "bin" / "edgenas")
    return found


def follow(guide: str, folder: Path) -> str:
    """What the commands of a guide print; each must end well."""
    environment = {
        **os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
    }  # fmt: skip
    printed = ""
    for block in blocks(DOCS / guide):
        if block.language == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                capture_output=True, text=True, cwd=folder, check=False, timeout=3600, env=environment,
            )  # fmt: skip
            assert done.returncode == 0, f"{block.text}\n{done.stdout}{done.stderr}"
            printed += done.stdout
    return printed


def test_the_start_and_the_guide_for_microcontrollers_end_with_a_proven_bundle(folder: Path) -> None:
    printed = follow("start.md", folder)
    assert "4 networks trained" in printed and "NUCLEO-L4R5ZI" in printed and " 0 failed, " in printed
    (bundle,) = (folder / "bundles").iterdir()
    assert (bundle / "model.int8.tflite").stat().st_size <= 32 * 1024
    assert (folder / "runs" / "first" / "report.html").is_file()
    printed = follow("guide_microcontroller.md", folder)
    assert "x-cube-ai" in printed and "tflite-micro" in printed
    if shutil.which("gcc"):
        assert "PASSED: 5 vectors, 0 failed" in printed
    (winner,) = (folder / "runs" / "first" / "winners").iterdir()
    for name in ("edgenas_preprocess_u8", "edgenas_model_invoke", "edgenas_class_names", "edgenas_argmax"):
        assert any(name in path.read_text() for path in (winner / "c").glob("*.h")), name


@pytest.mark.skipif(not EVERYTHING, reason="one more search: set EDGENAS_GUIDES=all, as .ci/run does")
def test_the_guide_for_phones_ends_with_a_proven_bundle(folder: Path) -> None:
    printed = follow("guide_phone.md", folder)
    assert "2 networks trained" in printed and "Pixel 3" in printed
    (bundle,) = (folder / "phone-bundle").iterdir()
    assert (bundle / "samples" / "android").is_dir() and (bundle / "model.float32.tflite").is_file()


@pytest.mark.skipif(
    not EVERYTHING, reason="needs the run of the start: set EDGENAS_GUIDES=all, as .ci/run does"
)
def test_the_guide_for_npus(folder: Path) -> None:
    pytest.importorskip("ethosu")
    assert "ethos-u55-128" in follow("guide_npu.md", folder)
