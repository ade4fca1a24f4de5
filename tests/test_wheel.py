"""The built wheel in an empty environment: commands work, devices and latency tables came along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a new environment that holds the wheel alone.

    What edgenas depends on is lent from this environment's folder at the end of the path: installing
    TensorFlow anew would take minutes and test nothing of ours.
    """
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("edgenas-*.whl")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    paths = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    target = Path(paths.stdout.strip())
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    (target / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def run(python: Path, *words: str, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-m", "edgenas", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_is_the_installed_one(installed: Path, tmp_path: Path) -> None:
    code = "import edgenas; print(edgenas.__file__)"
    done = subprocess.run([installed, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert Path(done.stdout.strip()).is_relative_to(installed.parent.parent)


def test_devices_came_along(installed: Path, tmp_path: Path) -> None:
    devices = json.loads(run(installed, "devices", "list", "--json", cwd=tmp_path))["devices"]
    shipped = sorted(path.stem for path in (ROOT / "devices").glob("*.toml"))
    assert [device["id"] for device in devices] == shipped


def test_latency_tables_came_along(installed: Path, tmp_path: Path) -> None:
    spec = ROOT / "tests" / "arch" / "golden" / "spec_v1.json"
    cost = json.loads(run(installed, "estimate", str(spec), "--json", cwd=tmp_path))
    assert cost["source"] == "table"
    assert cost["latency_ms"] > 0


def test_a_report_can_be_written(installed: Path, tmp_path: Path, finished_run: Path) -> None:
    assert "5 networks trained" in run(installed, "report", str(finished_run), cwd=tmp_path)


def test_all_of_the_package_is_in_the_wheel(installed: Path) -> None:
    target = next((installed.parent.parent / "lib").glob("python*")) / "site-packages" / "edgenas"
    for path in (ROOT / "edgenas").rglob("*"):
        if path.suffix in (".py", ".html", ".css", ".js", ".in"):
            assert (target / path.relative_to(ROOT / "edgenas")).is_file(), path
