"""Wrong input: exit code 2, one line that says what was given, what is expected, how to mend it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import command

DIGITS = ("search", "--data", "digits")

WRONG = {
    "device": ((*DIGITS, "--device", "nucleo-l4r5"), "did you mean 'nucleo-l4r5zi'"),
    "space": ((*DIGITS, "--space", "mikro"), "did you mean 'micro'"),
    "data": (("search", "--data", "fashion-mnits"), "did you mean 'fashion-mnist'"),
    "searcher": ((*DIGITS, "--searcher", "nsga3"), "did you mean 'nsga2'"),
    "proxy": ((*DIGITS, "--proxy", "synflo"), "did you mean 'synflow'"),
    "no parents": ((*DIGITS, "--searcher", "front", "--inherit"), "whose candidates have no parents"),
    "two kinds of short trainings": (
        (*DIGITS, "--searcher", "nsga2", "--inherit", "0.5", "--halving", "epochs"),
        "--inherit was given with --halving",
    ),
    "objective": ((*DIGITS, "--objectives", "val_error,latency"), "did you mean 'latency_ms'"),
    "no data": (("search",), "--data"),
    "zero": ((*DIGITS, "--ram-kib", "0"), "--ram-kib 0 was given; expected more than zero"),
    "negative": ((*DIGITS, "--latency-ms", "-1"), "--latency-ms -1 was given"),
    "no trials": ((*DIGITS, "--trials", "0"), "--trials 0 was given; expected 1 or more"),
    "tiny RAM": ((*DIGITS, "--ram-kib", "1"), "the smallest network of space 'micro' needs"),
    "tiny flash": ((*DIGITS, "--flash-kib", "1"), "budget flash of at most 1.0 KiB"),
    "tiny latency": ((*DIGITS, "--latency-ms", "0.0001"), "budget latency of at most"),
    "no latency there": (
        (*DIGITS, "--device", "raspberry-pi-pico", "--latency-ms", "5"),
        "no latency source",
    ),
    "no latency objective there": (
        (*DIGITS, "--device", "raspberry-pi-pico", "--objectives", "val_error,latency_ms"),
        "no latency source; drop latency from budgets and objectives",
    ),
    "scheme": ((*DIGITS, "--schemes", "int8,prunning"), "did you mean 'pruning'"),
    "scheme on a device": (
        (*DIGITS, "--device", "nucleo-l4r5zi", "--schemes", "float16"),
        "does not run float16 files; it runs float32, int8",
    ),
    "own model": (("quantize", "no.keras", "--data", "digits", "--out", "x"), "there is no such file"),
    "no folder": (("search", "--data", "./no/such/folder"), "there is no such folder or file"),
    "no config": (("search", "no.toml"), "cannot be read"),
    "no run": (("resume", "no-such-run"), "holds no run"),
    "no run to report": (("report", "no-such-run"), "holds no run"),
    "no model": (("estimate", "no.tflite"), "there is no file"),
    "other kind": (("estimate", "Makefile"), "expected .tflite, .onnx, .keras, .h5 or spec .json"),
    "tolerance": (
        ("profile", "no.tflite", "--tolerance", "nan"),
        "--tolerance nan was given; expected a finite",
    ),
    "spread": (
        ("profile", "no.tflite", "--max-spread", "inf"),
        "--max-spread inf was given; expected a finite",
    ),
    "executor": ((*DIGITS, "--executor", "rai"), "did you mean 'ray'"),
    "address": ((*DIGITS, "--executor", "ray", "--address", "127.0.0.1:1"), "nobody answers there"),
    "device to show": (("devices", "show", "hots"), "did you mean 'host'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_line(edgenas: Any, tmp_path: Path, name: str) -> None:
    words, expected = WRONG[name]
    (tmp_path / "Makefile").write_text("")
    assert_one_line(edgenas(*words, cwd=tmp_path), expected)
    assert {path.name for path in tmp_path.iterdir()} == {"Makefile"}


@pytest.mark.parametrize("name", ["tiny RAM", "own model"])
def test_so_it_does_from_a_shell(tmp_path: Path, name: str) -> None:
    """Python is started anew: what frameworks print when they are imported would be in the way."""
    words, expected = WRONG[name]
    done = subprocess.run(command(*words), capture_output=True, text=True, cwd=tmp_path, check=False)
    assert_one_line(done, expected)


def assert_one_line(done: subprocess.CompletedProcess[str], expected: str) -> None:
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_a_setting_that_does_not_exist_is_named(edgenas: Any, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('data = "digits"\nram_kb = 3\n')
    done = edgenas("search", tmp_path / "c.toml")
    assert done.returncode == 2
    assert "did you mean 'ram_kib'" in done.stderr


def test_images_without_a_table_say_how_to_measure_one(edgenas: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "own.npz"
    np.savez(path, x=rng.integers(0, 255, (60, 50, 50, 3), np.uint8), y=np.arange(60) % 3)
    done = edgenas("search", "--data", path)
    assert done.returncode == 2
    assert "edgenas sweep --device host --space micro --input 50x50x3 --classes 3" in done.stderr


def test_too_few_images_to_quantize_are_refused_before_training(edgenas: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "few.npz", x=rng.integers(0, 255, (25, 8, 8, 1), np.uint8), y=np.arange(25) % 3)
    done = edgenas("search", "--data", tmp_path / "few.npz")
    assert done.returncode == 2
    assert "15 training images after the split; quantization needs at least 16" in done.stderr


def test_a_run_begun_from_python_or_cut_off_at_once_says_how_to_go_on(edgenas: Any, tmp_path: Path) -> None:
    from edgenas.store import Store

    Store.create(tmp_path / "run").close()
    done = edgenas("resume", tmp_path / "run")
    assert done.returncode == 2
    assert "make the same EdgeTuner again, or start a new run" in done.stderr


def test_a_run_of_a_newer_version_is_refused(edgenas: Any, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "run.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    for verb in ("resume", "report"):
        done = edgenas(verb, tmp_path)
        assert done.returncode == 2
        assert "newer version of edgenas" in done.stderr


def test_a_folder_that_holds_a_run_is_not_searched_again(edgenas: Any, finished_run: Path) -> None:
    done = edgenas(*DIGITS, "--out", finished_run)
    assert done.returncode == 2
    assert "edgenas resume" in done.stderr


def test_a_folder_that_cannot_be_written_is_refused_before_training(edgenas: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = edgenas(*DIGITS, "--out", tmp_path / "file" / "run")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_help_and_version_load_no_framework() -> None:
    code = (
        "import sys\n"
        "from edgenas.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'tensorflow', 'keras', 'tf_keras', 'keras_tuner', 'ray', 'numpy'} & set(sys.modules)))"
    )
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
    assert "search" in done.stdout


def test_the_help_names_every_searcher() -> None:
    from edgenas.cli.search import SEARCHERS as named
    from edgenas.search.searchers import SEARCHERS

    assert named.split(", ") == SEARCHERS.names()
