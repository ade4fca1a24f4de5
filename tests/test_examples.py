"""The examples run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_own_model(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "own_model.py"],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "6 trained" in done.stdout
    folders = sorted((tmp_path / "runs" / "own_model" / "models").iterdir())
    assert folders and all((folder / "model.int8.tflite").is_file() for folder in folders)
