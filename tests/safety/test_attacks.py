"""Files made to do harm: no code of theirs runs, no name leads elsewhere, no text becomes markup."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.cli.estimate import read_model
from edgenas.cli.main import main
from edgenas.data.files import read_npz
from edgenas.data.reading import Reading
from edgenas.errors import DataError, StoreError, TrialError, UnsupportedError
from edgenas.live.site import Site
from edgenas.report import write_report
from edgenas.store import Store
from edgenas.train.checkpoint import Checkpoint
from edgenas.train.teacher import Teacher, load_teacher
from edgenas.train.weights import load_weights
from tests.report.made_up import DESCRIPTION, choose_winners, fill

ROOT = Path(__file__).parents[2]
MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


def of_objects(place: Path, *names: str) -> bytes:
    """An .npz file whose arrays hold Python objects."""
    found = io.BytesIO()
    trap = np.array([Trap(place)], dtype=object)
    np.savez(found, **dict.fromkeys(names, trap))
    return found.getvalue()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models that hold code: a Lambda layer, or a class of a module that is not Keras'."""
    import keras

    folder = tmp_path_factory.mktemp("models")
    inputs = keras.Input((4,))
    with contextlib.chdir(folder):  # Keras calls the function once as it builds the model
        hidden = keras.layers.Lambda(lambda x: Path("trapped").touch() or x, name="trap")(inputs)
    assert (folder / "trapped").exists()
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    model.save(folder / "lambda.keras")
    model.save(folder / "lambda.h5")
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")])
    plain.save(folder / "plain.keras")
    for name, change in {
        "module": lambda layer: layer.update(module="os", class_name="system", registered_name=None),
        "prefix": lambda layer: layer.update(module="keras_evil.layers", class_name="Dense"),
        "nested": lambda layer: layer["config"].update(
            kernel_initializer={"class_name": "Lambda", "config": {"name": "trap"}, "module": "keras.layers"}
        ),
    }.items():
        with zipfile.ZipFile(folder / "plain.keras") as whole:
            document = json.loads(whole.read("config.json"))
            change(document["config"]["layers"][1])
            with zipfile.ZipFile(folder / f"{name}.keras", "w") as file:
                for member in whole.namelist():
                    content = json.dumps(document) if member == "config.json" else whole.read(member)
                    file.writestr(member, content)
    return folder


def test_the_untouched_model_is_read(models: Path) -> None:
    assert read_model(models / "plain.keras").graph.macs == 8


@pytest.mark.parametrize(
    "name", ["lambda.keras", "lambda.h5", "module.keras", "prefix.keras", "nested.keras"]
)
def test_a_model_with_code_is_refused_in_a_line_before_it_runs(
    models: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsupportedError, match=r"layer '\w+' is .* not loaded; replace it by") as error:
        read_model(models / name)
    assert "\n" not in str(error.value)
    with pytest.raises(TrialError, match="cannot be read: layer"):
        load_teacher(Teacher(models / name))
    assert not list(tmp_path.iterdir())


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    file, trapped = tmp_path / "arrays.npz", tmp_path / "trapped"
    file.write_bytes(of_objects(trapped, "x", "y"))
    with pytest.raises(DataError, match=r"cannot be read .*allow_pickle=False"):
        read_npz(file, Reading())
    file.write_bytes(of_objects(trapped, "w0000"))
    with pytest.raises(StoreError, match=r"weights .* cannot be read"):
        load_weights(file)
    file.write_bytes(of_objects(trapped, "standing"))
    assert Checkpoint(file, "key").load() is None
    assert not trapped.exists()


def test_a_table_with_an_endless_cell_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("a,label\n" + "1" * 200_000 + ",x\n")
    (tmp_path / "open.csv").write_text('a,label\n"' + "1,x\n" * 50_000)
    for name in ("wide.csv", "open.csv"):
        assert main(["search", "--data", str(tmp_path / name), "--out", str(tmp_path / "run")]) == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "c/../../secret", "a\\b"])
def test_a_manifest_that_names_other_files_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = ROOT / "tests" / "export" / "golden" / "v2" / "manifest.json"
    document = json.loads(golden.read_text())
    document["artifacts"][0]["file"] = name
    (tmp_path / "bundle").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "bundle" / "manifest.json").write_text(json.dumps(document))
    assert main(["verify", str(tmp_path / "bundle"), "--json"]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1 and "expected names within the bundle" in said.err


def test_codes_that_steer_a_terminal_are_taken_out_of_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "a\x1b]0;owned\x07\x1b[2J.tflite"]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\x07" not in said and "owned" in said


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose every free text is markup."""
    folder = tmp_path_factory.mktemp("hostile") / "run"
    described = _marked(DESCRIPTION, keep=("objectives", "constraints"))
    with Store.create(folder) as store:
        store.set_meta(status="done", **described)
        choose_winners(store, fill(store, trials=8))
    with sqlite3.connect(folder / "run.db") as connection:
        for position, spec in connection.execute("SELECT position, spec FROM trials").fetchall():
            document = json.loads(spec)
            document |= {"space": MARKUP, "choices": {MARKUP: MARKUP, **document["choices"]}}
            connection.execute(
                "UPDATE trials SET spec = ? WHERE position = ?", (json.dumps(document), position)
            )
        connection.execute("UPDATE trials SET reason = ?", (MARKUP,))
        connection.execute("UPDATE trials SET trial_id = ? WHERE position = 0", (MARKUP,))
        connection.execute("UPDATE winners SET why = ?", (MARKUP,))
        connection.execute("UPDATE winners SET reason = ? WHERE reason IS NOT NULL", (MARKUP,))
        for trial_id, manifest in connection.execute("SELECT trial_id, manifest FROM winners").fetchall():
            if manifest:
                document = json.loads(manifest)
                for artifact in document["artifacts"]:
                    artifact["scheme"] = MARKUP
                document["description"] = {"note": MARKUP}
                connection.execute(
                    "UPDATE winners SET manifest = ? WHERE trial_id = ?", (json.dumps(document), trial_id)
                )
    (folder / "training.log").write_text(MARKUP)
    return folder


def _marked(node: Any, keep: tuple[str, ...]) -> Any:
    """A document with every text replaced by markup."""
    if isinstance(node, dict):
        return {key: value if key in keep else _marked(value, keep) for key, value in node.items()}
    if isinstance(node, list):
        return [_marked(value, keep) for value in node]
    return MARKUP if isinstance(node, str) else node


def test_the_report_of_a_hostile_run_holds_its_texts_as_text(hostile: Path) -> None:
    page = write_report(hostile).read_text(encoding="utf-8")
    assert page.count("&lt;script&gt;alert(1)") > 10
    assert "<script>alert" not in page and "<img src=x" not in page and "'><img" not in page
    assert page.count("<script>") == 1  # the page's own
    assert "default-src 'none'" in page  # nothing is fetched, whatever stands there


def test_the_served_page_of_a_hostile_run_gets_drawings_without_markup(hostile: Path) -> None:
    site = Site(hostile)
    document = json.loads(site.run_document())
    site.close()
    assert document["charts"]  # what the page takes as markup; all else it sets as text
    for chart in document["charts"]:
        for size in ("wide", "narrow"):
            assert (
                "<script" not in chart[size] and "<img" not in chart[size] and chart[size].startswith("<svg")
            )


UNPICKLE = {
    "edgenas/export/apart.py", "edgenas/profile/vela_process.py", "edgenas/profile/vela_worker.py",
    "edgenas/train/worker.py",
}  # fmt: skip
"""Processes that talk to the process that started them."""


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted((ROOT / "edgenas").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path.relative_to(ROOT).as_posix(), node


def test_nothing_else_unpickles_evaluates_or_unpacks() -> None:
    for name, node in _calls():
        called = ast.unparse(node.func)
        assert called not in ("eval", "exec", "compile", "os.system", "os.popen"), f"{name}:{node.lineno}"
        last = called.rpartition(".")[2]
        assert last not in ("extractall", "unpack_archive", "enable_unsafe_deserialization"), name
        assert "yaml" not in called and "marshal" not in called and "shelve" not in called, name
        if called in ("pickle.load", "pickle.loads", "cloudpickle.load", "cloudpickle.loads"):
            assert name in UNPICKLE, f"{name}:{node.lineno} unpickles"
        given = {word.arg: ast.unparse(word.value) for word in node.keywords}
        assert given.get("shell", "False") == "False", f"{name}:{node.lineno}"
        assert given.get("safe_mode", "True") == "True", f"{name}:{node.lineno}"
        if called in ("np.load", "np.savez"):
            assert given.get("allow_pickle") == "False", (
                f"{name}:{node.lineno} does not say allow_pickle=False"
            )
