"""The examples run as they are, the long ones in their short form."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def python(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder of its own, as from a clone."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EDGENAS_SHORT": "1", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True, text=True, cwd=folder, check=False, timeout=300, env=environment,
    )  # fmt: skip


def example(folder: Path, name: str, *words: object) -> str:
    """What an example prints; it must end well."""
    done = python(folder, EXAMPLES / name, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_own_model(tmp_path: Path) -> None:
    assert "6 trained" in example(tmp_path, "own_model.py")
    folders = sorted((tmp_path / "runs" / "own_model" / "models").iterdir())
    assert folders and all((folder / "model.int8.tflite").is_file() for folder in folders)


def test_image_on_microcontroller(tmp_path: Path) -> None:
    printed = example(tmp_path, "image_on_microcontroller.py")
    assert re.search(r"[1-9]\d* passed, 0 failed", printed)
    if shutil.which("cmake"):
        assert "100% tests passed, 0 tests failed out of 1" in printed
    (bundle,) = (tmp_path / "runs" / "image-on-microcontroller" / "winners").iterdir()
    assert (bundle / "c" / "model_data.c").is_file() and str(bundle.relative_to(tmp_path)) in printed


def test_sensor_series(tmp_path: Path) -> None:
    printed = example(tmp_path, "sensor_series.py")
    assert "still, walk, stairs, run" in printed and "arduino-nano-33-ble" in printed
    (model,) = (tmp_path / "runs" / "sensor-series" / "winners").glob("*/model.int8.tflite")
    assert model.stat().st_size <= 32 * 1024


def test_audio_from_wavs(tmp_path: Path) -> None:
    printed = example(tmp_path, "audio_from_wavs.py")
    assert "PASSED: 5 vectors, 0 failed" in printed or not shutil.which("gcc")
    (bundle,) = (tmp_path / "runs" / "audio-from-wavs" / "winners").iterdir()
    assert (bundle / "c" / "log_mel.c").is_file()


def test_contracts_of_own_layer_and_space(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "pytest", EXAMPLES / "own_layer_test.py")
    assert done.returncode == 0, done.stdout


def test_own_space_is_a_space_of_every_command(tmp_path: Path) -> None:
    words = "search --data digits --space patches --device nucleo-l4r5zi --flash-kib 1"
    done = python(tmp_path, EXAMPLES / "own_space.py", *words.split())
    assert done.returncode == 2 and "flash" in done.stderr and "space 'patches' needs" in done.stderr


@pytest.mark.parametrize("guide", ["own_layer.md", "own_space.md"])
def test_guides_show_what_runs(guide: str) -> None:
    code = "\n".join(path.read_text() for path in EXAMPLES.glob("own_*.py"))
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / guide).read_text(), re.DOTALL)
    assert len(shown) >= 4
    for block in shown:
        assert block in code
