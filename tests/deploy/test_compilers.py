"""Compilers that are there, are not there, or complain."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgenas.cost.types import Cost
from edgenas.deploy.compilers import TARGETS, compile_all
from edgenas.deploy.deploy import deploy
from edgenas.deploy.proof import Proof
from edgenas.deploy.prove import npu_report
from edgenas.deploy.running_c import run_everywhere
from edgenas.errors import ParityError
from edgenas.export.running import load_tflite
from tests.deploy.small_bundle import INT8, Bundle


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_every_compiler_here_takes_the_sources_without_a_warning_and_tells_sizes(bundle: Bundle) -> None:
    proof = bundle.manifest.proof
    assert proof is not None and [one.target for one in proof.compiled] == [one.name for one in TARGETS]
    for one, target in zip(proof.compiled, TARGETS, strict=True):
        if shutil.which(target.compiler) is None:
            assert one.passed is None and one.note == f"{target.compiler} is not installed"
            continue
        assert one.passed and "-Werror" in one.flags
        assert one.model_bytes == len(bundle.facts.model)
        assert 0 < one.text_bytes - one.model_bytes < 4096
        assert one.bss_bytes == 0


def test_a_missing_compiler_is_said(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {one.passed for one in compile_all(bundle.c, tmp_path / "work")} == {None}
    assert [one.passed for one in run_everywhere(bundle.folder, tmp_path / "work")] == [None, None]


def test_a_compiler_that_complains_fails_and_is_quoted(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(
        tmp_path, "gcc", 'echo "preprocess.c:1: note: x"; echo "preprocess.c:2: error: no such thing"; exit 1'
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    host, *others = compile_all(bundle.c, tmp_path / "work")
    assert host.passed is False and host.note == "preprocess.c:2: error: no such thing"
    assert {one.passed for one in others} == {None}
    ran = run_everywhere(bundle.folder, tmp_path / "work")
    assert (ran[0].passed, ran[0].note) == (False, "the sources do not compile")
    assert len(Proof(compiled=(host,), ran=tuple(ran)).failures) == 2


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_c_that_computes_something_else_stops_the_export(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler that does not round as C says: here one that takes another zero point."""
    real = shutil.which("gcc")
    (tmp_path / "wrong.h").write_text('#include "model_config.h"\n#undef EDGENAS_INPUT_ZERO_POINT\n'
                                      "#define EDGENAS_INPUT_ZERO_POINT (-100)\n")  # fmt: skip
    include = f"-I {bundle.c} -include {tmp_path}/wrong.h"
    tool(
        tmp_path,
        "gcc",
        f'case "$*" in *-dumpfullversion*) exec {real} "$@";; esac; exec {real} {include} "$@"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    folder = tmp_path / "out"
    folder.mkdir()
    files = {INT8: (bundle.facts.model, load_tflite(bundle.facts.model))}
    with pytest.raises(ParityError, match=r"c/: the C sources compute something else .* on host"):
        deploy(folder, bundle.manifest, files, bundle.samples, None)


def test_the_file_itself_is_compiled_for_an_npu(bundle: Bundle) -> None:
    pytest.importorskip("ethosu.vela")
    cost = Cost("ethos-u55-128", "ethos-u", "int8", "vela", 1.0, None, None, 1, 1, 1, 1)
    report = npu_report(bundle.facts.model, cost)
    assert report is not None and report["source"] == "vela" and "Vela" in report["note"]
    assert 0 < report["latency_ms"] < 1 and report["flash_bytes"] > 1_000
    assert npu_report(bundle.facts.model, None) is None
    gone = npu_report(bundle.facts.model, replace(cost, device="ethos-u99"))
    assert gone is not None and gone["note"].startswith("not compiled: ")
