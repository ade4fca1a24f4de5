"""Verifying a bundle: what passes, what fails, what cannot be tried, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgenas.data.dataset import Dataset
from edgenas.deploy import verify_runtimes
from edgenas.deploy.checks import Check, counts
from edgenas.deploy.integrity import faults, is_inside, listed
from edgenas.deploy.vectors import read_vectors
from edgenas.deploy.verify import verify
from edgenas.deploy.verify_accuracy import accuracy_checks
from edgenas.deploy.verify_runtimes import runtime_checks
from edgenas.errors import ConfigError
from edgenas.export.manifest import Manifest, read_manifest
from tests.deploy.small_bundle import INT8, Bundle

WITHOUT_TENSORFLOW = """
import sys
from edgenas.cli.main import main
code = main(["verify", sys.argv[1], "--json"])
loaded = {"tensorflow", "keras", "tf_keras", "keras_tuner"} & set(sys.modules)
assert not loaded, loaded
sys.exit(code)
"""


def verified(bundle: Bundle, dataset: Dataset | None = None) -> list[Check]:
    return verify(bundle.folder, read_manifest(bundle.folder), dataset)


def failed(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.passed is False]


def test_a_bundle_passes_without_tensorflow(bundle: Bundle) -> None:
    words = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(bundle.folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["failed"] == 0 and document["passed"] >= 6
    tried = {(check["subject"], check["means"]) for check in document["checks"] if check["passed"]}
    assert {(INT8, "LiteRT"), ("model.float32.onnx", "ONNX Runtime"), ("preprocessing", "Python")} <= tried


def test_the_int8_file_gives_equal_bytes_in_both_interpreters(bundle: Bundle) -> None:
    pytest.importorskip("tflite_micro")
    vectors = read_vectors(bundle.folder)
    exact = [
        check for check in runtime_checks(bundle.folder, bundle.manifest, vectors) if "bytes" in check.detail
    ]
    assert [check.means for check in exact] == ["TFLite-Micro", "LiteRT, reference kernels"]
    assert all(check.passed for check in exact)
    assert bundle.manifest.proof.bit_exact.inputs == 30


def test_a_machine_without_compilers_and_runtimes_fails_nothing(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(verify_runtimes, "find_spec", lambda name: None)
    found = counts(verified(bundle))
    assert (found["passed"], found["failed"]) == (3, 0)  # checksums, and the steps in plain numpy
    assert found["not_tried"] >= 11


def test_another_byte_in_any_file_is_found_and_nothing_is_run(copied: Bundle) -> None:
    for name in ("c/preprocess.c", INT8, "LICENSES.md", "test_vectors/raw.bin"):
        path = copied.folder / name
        before = path.read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        checks = verified(copied)
        assert [check.subject for check in checks] == [name] and checks[0].passed is False
        assert "its checksum is not the manifest's" in checks[0].detail
        path.write_bytes(before)
    assert not faults(copied.folder, copied.manifest)


def test_missing_files_links_and_strangers_among_the_sources_are_named(
    copied: Bundle, tmp_path: Path
) -> None:
    (copied.c / "model_data.c").unlink()
    (tmp_path / "elsewhere.c").write_bytes((copied.c / "postprocess.c").read_bytes())
    (copied.c / "postprocess.c").unlink()
    (copied.c / "postprocess.c").symlink_to(tmp_path / "elsewhere.c")
    (copied.c / "more.c").write_text("int main(void) { return 0; }")
    (copied.folder / "projects" / "cmake" / "build").mkdir()  # what a user builds there is no fault
    found = {check.subject: check.detail for check in verified(copied)}
    assert set(found) == {"c/model_data.c", "c/postprocess.c", "c/more.c"}
    assert "cannot be read" in found["c/model_data.c"]
    assert "leads out of the bundle" in found["c/postprocess.c"]
    assert "would be compiled" in found["c/more.c"]


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "c/../../x", "..", "", "c\\..\\x", "C:x", "c/\0", "//host/x"]
)
def test_names_that_lead_out_of_the_bundle_are_refused(copied: Bundle, name: str) -> None:
    assert not is_inside(name)
    for place in ("files", "artifacts"):
        document = copied.document()
        document[place][0]["file"] = name
        with pytest.raises(ConfigError, match="expected names within the bundle: do not use it"):
            listed(Manifest.from_json(document))


def test_sources_that_compute_something_else_fail(copied: Bundle) -> None:
    source = (copied.c / "preprocess.c").read_text()
    changed = source.replace("+ EDGENAS_INPUT_ZERO_POINT", "+ EDGENAS_INPUT_ZERO_POINT + 1")
    assert changed != source
    copied.rewrite("c/preprocess.c", changed.encode())
    wrong = failed(verified(copied))
    places = [check.means for check in wrong]
    if not any(one.passed for one in copied.manifest.proof.ran):
        pytest.skip("no compiler is installed")
    assert places and all(check.subject == "C test vectors" for check in wrong)
    assert all("FAILED: 5 vectors" in check.detail for check in wrong)


def test_a_network_that_computes_something_else_fails(copied: Bundle) -> None:
    output = np.fromfile(copied.folder / "test_vectors" / f"{INT8}.output.bin", np.float32)
    copied.rewrite(f"test_vectors/{INT8}.output.bin", (output + np.float32(0.05)).tobytes())
    wrong = failed(verified(copied))
    assert [(check.subject, check.means) for check in wrong] == [(INT8, "LiteRT")]
    assert "differ by 0.05 at most, 0.031 is allowed" in wrong[0].detail


def test_damaged_vectors_and_those_of_a_newer_version_are_refused(copied: Bundle) -> None:
    index = json.loads((copied.folder / "test_vectors" / "vectors.json").read_text())
    copied.rewrite("test_vectors/vectors.json", json.dumps({**index, "schema": 3}).encode())
    with pytest.raises(ConfigError, match="test vectors of schema 3 were given"):
        verified(copied)
    copied.rewrite("test_vectors/vectors.json", json.dumps({**index, "arrays": {}}).encode())
    with pytest.raises(ConfigError, match="no readable test vectors"):
        verified(copied)


def test_a_bundle_of_before_there_were_sources_is_still_verified(copied: Bundle) -> None:
    document = copied.document()
    del document["files"], document["proof"]
    copied.write(document)
    checks = verified(copied)
    assert [check.passed for check in checks] == [True, None]
    assert "export it again" in checks[1].detail


def test_accuracies_are_measured_again_on_the_data(bundle: Bundle, data: Dataset) -> None:
    for check in accuracy_checks(bundle.folder, bundle.manifest, data):
        assert (
            check.passed and "right on 359 test inputs" in check.detail and "in the manifest" in check.detail
        )
    better = tuple(replace(one, accuracy={"test": 0.9}) for one in bundle.manifest.artifacts)
    boasting = replace(bundle.manifest, artifacts=better)
    assert not any(check.passed for check in accuracy_checks(bundle.folder, boasting, data))


def test_other_data_are_measured_and_not_compared(bundle: Bundle, data: Dataset) -> None:
    fewer = replace(data, test=data.test.take(np.arange(20)))
    checks = list(accuracy_checks(bundle.folder, bundle.manifest, fewer))
    assert all(check.passed and "not the data of the manifest" in check.detail for check in checks)
    unknown = replace(bundle.manifest, description={})
    checks = list(accuracy_checks(bundle.folder, unknown, fewer))
    assert all("does not say on which data" in check.detail for check in checks)


def test_the_proof_survives_the_way_through_json(bundle: Bundle) -> None:
    assert read_manifest(bundle.folder) == bundle.manifest
    assert bundle.manifest.proof is not None and not bundle.manifest.proof.failures
