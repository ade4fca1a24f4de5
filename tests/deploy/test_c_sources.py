"""The C sources against the Python pipeline they stand for, compiled by the compilers of this machine."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgenas.data.dataset import Dataset, Normalization
from edgenas.data.log_mel import LogMel
from edgenas.data.resize import resize
from edgenas.deploy import literals
from edgenas.deploy.c_sources import write_c
from edgenas.deploy.operators import METHODS, resolver_methods
from edgenas.deploy.rendering import TEMPLATES, write_group
from edgenas.deploy.samples import RawSamples
from edgenas.deploy.vectors import make_vectors
from edgenas.errors import UnsupportedError
from tests.deploy.compiled import in_c, needs_gcc, pointer, shared_library
from tests.deploy.small_bundle import Bundle, make_bundle

INTERFACE = Path(__file__).parent / "tflm_interface"
Build = Callable[[Path], ctypes.CDLL]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Compiles the plain C of a folder into a library that Python calls."""
    return lambda folder: shared_library(folder, tmp_path)


def rewritten(bundle: Bundle, folder: Path, **changes: object) -> RawSamples:
    """Write the C sources of the bundle's network for other samples."""
    samples = replace(bundle.samples, **changes)  # type: ignore[arg-type]
    facts = bundle.facts
    outputs = replace(bundle.outputs, class_names=samples.class_names)
    vectors = make_vectors(samples, outputs, facts.input, facts.output, facts.model, {})
    write_c(folder, facts, samples, outputs, vectors)
    return samples


@needs_gcc
def test_whole_images_become_the_bytes_that_python_makes(bundle: Bundle, build: Build, data: Dataset) -> None:
    library = build(bundle.c)
    raw = data.validation.x
    expected = bundle.facts.input.quantize(data.normalization.apply(raw))
    assert np.array_equal(in_c(library, "edgenas_preprocess_u8", raw), expected)
    assert np.array_equal(in_c(library, "edgenas_preprocess_f32", raw.astype(np.float32)), expected)


@needs_gcc
def test_any_float_becomes_the_byte_that_python_makes(
    bundle: Bundle, build: Build, tmp_path: Path, rng: np.random.Generator
) -> None:
    values = rng.normal(0, 3, (5, 8, 8, 1)).astype(np.float32)
    samples = rewritten(bundle, tmp_path, values=values, normalization=Normalization(0.37, 0.21))
    step = np.float32(bundle.facts.input.scale)
    halves = (np.arange(-200, 120) + np.float32(0.5)) * step  # where rounding decides
    far = np.array([1e30, -1e30, np.inf, -np.inf, 0.0, -0.0])
    some = np.concatenate([(halves - 0.21) / 0.37, far, rng.normal(0, 2, 5050)]).astype(np.float32)
    raw = some[: len(some) // 64 * 64].reshape(-1, 8, 8, 1)
    with np.errstate(invalid="ignore"):
        expected = bundle.facts.input.quantize(samples.prepared(raw))
    assert np.array_equal(in_c(build(tmp_path / "c"), "edgenas_preprocess_f32", raw), expected)


@needs_gcc
def test_scores_and_orders_of_classes_are_those_of_python(
    bundle: Bundle, build: Build, rng: np.random.Generator
) -> None:
    library = build(bundle.c)
    for output in rng.integers(-128, 128, (50, 10), np.int8) // 40:  # many equal values
        scores, best = np.zeros(10, np.float32), np.full(10, -1, np.int32)
        library.edgenas_dequantize(pointer(output), pointer(scores))
        assert np.array_equal(scores, bundle.facts.output.dequantize(output))
        assert library.edgenas_argmax(pointer(output)) == output.argmax()
        for k in (1, 3, 10, 12):
            best[:] = -1
            assert library.edgenas_top_k(pointer(output), k, pointer(best)) == min(k, 10)
            assert best[:k].tolist() == np.argsort(-output.astype(int), kind="stable")[:k].tolist()


@needs_gcc
def test_the_array_is_the_file_on_a_16_byte_boundary(bundle: Bundle, build: Build) -> None:
    model = (bundle.folder / "model.int8.tflite").read_bytes()
    array = (ctypes.c_ubyte * len(model)).in_dll(build(bundle.c), "edgenas_model")
    assert bytes(array) == model
    assert ctypes.addressof(array) % 16 == 0


@needs_gcc
def test_names_of_classes_survive_whatever_they_are(bundle: Bundle, build: Build, tmp_path: Path) -> None:
    names = ('say "hi"', "back\\slash", "what??/", "größe", "数", "*/ end", "%s", "a\nb", "0", "")
    rewritten(bundle, tmp_path, class_names=names)
    found = (ctypes.c_char_p * 10).in_dll(build(tmp_path / "c"), "edgenas_class_names")
    assert tuple((name or b"").decode() for name in found) == names
    assert replace(bundle.outputs, class_names=("a",)).names(3) == ("0", "1", "2")  # names of other classes


@needs_gcc
def test_a_scale_for_each_channel(bundle: Bundle, build: Build, tmp_path: Path) -> None:
    """As features and sensors have it: 8-bit tables make no sense then, and are left out."""

    normalization = Normalization((0.01, 0.002), (0.5, -0.1))
    facts = replace(bundle.facts, input=replace(bundle.facts.input, shape=(1, 4, 2)))
    values = np.linspace(-90, 90, 16, dtype=np.float32).reshape(2, 4, 2)
    samples = replace(bundle.samples, values=values, labels=np.zeros(2), normalization=normalization)
    vectors = make_vectors(bundle.samples, bundle.outputs, facts.input, facts.output, facts.model, {})
    quantized = facts.input.quantize(samples.prepared())
    vectors = replace(vectors, raw=values, input=quantized, output=vectors.output[:2],
                      results=vectors.results[:2], labels=vectors.labels[:2])  # fmt: skip
    write_c(tmp_path, facts, samples, bundle.outputs, vectors)
    assert not (tmp_path / "c" / "preprocess_u8.c").exists()
    assert np.array_equal(in_c(build(tmp_path / "c"), "edgenas_preprocess_f32", values), quantized)


@needs_gcc
@pytest.mark.parametrize("size", [(16, 16), (19, 9), (8, 28), (3, 8)])
def test_resizing_is_that_of_python(
    bundle: Bundle, build: Build, tmp_path: Path, rng: np.random.Generator, size: tuple[int, int]
) -> None:
    rewritten(bundle, tmp_path, resized_from=size)
    raw = rng.normal(0, 10, (1, *size, 1)).astype(np.float32)
    found = np.full((8, 8, 1), np.nan, np.float32)
    build(tmp_path / "c").edgenas_resize(pointer(raw), pointer(found))
    assert np.abs(found - resize(raw, (8, 8))[0]).max() < 1e-5


@needs_gcc
def test_the_spectrogram_is_that_of_python(
    bundle: Bundle, build: Build, tmp_path: Path, rng: np.random.Generator
) -> None:
    front_end = LogMel(8_000, 200, 160, 256, 20, 60.0, 3_800.0, 1e-5, 4_000)
    rewritten(bundle, tmp_path, front_end=front_end)
    audio = (6_000 * rng.standard_normal(4_000)).clip(-32768, 32767).astype(np.int16)
    audio[:1_000] = 0  # silence is the floor
    found = np.zeros(front_end.shape, np.float32)
    build(tmp_path / "c").edgenas_log_mel_s16(pointer(audio), pointer(found))
    assert np.abs(found - front_end(audio.astype(np.float32) / 32768)).max() < 1e-3
    assert found[0, 0, 0] == pytest.approx(np.log(1e-5), abs=1e-6)


@needs_gcc
def test_the_logarithm_is_right_to_the_last_places(bundle: Bundle, build: Build, tmp_path: Path) -> None:
    rewritten(bundle, tmp_path, front_end=LogMel())
    function = build(tmp_path / "c").edgenas_log
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    values = np.concatenate([np.geomspace(1e-12, 1e12, 4_000), np.linspace(0.5, 2, 4_000)]).astype(np.float32)
    found = np.array([function(float(value)) for value in values])
    exact = np.log(values.astype(np.float64))
    assert (np.abs(found - exact) <= 2e-7 * np.maximum(1, np.abs(exact))).all()


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_the_cpp_is_valid_and_every_operator_has_a_method_of_tflite_micro(
    bundle: Bundle, tmp_path: Path
) -> None:
    """Against the names of TFLite-Micro's resolver; see tflm_interface."""
    every = replace(bundle.facts, operators=tuple(METHODS), methods=tuple(resolver_methods(tuple(METHODS))))
    vectors = make_vectors(bundle.samples, bundle.outputs, every.input, every.output, every.model, {})
    write_c(tmp_path, every, bundle.samples, bundle.outputs, vectors)
    write_group("projects", tmp_path / "projects", {})
    sources = [tmp_path / "c" / "tflm_model.cc", *(tmp_path / "projects").rglob("main.cc")]
    assert len(sources) == 4
    words = [
        "g++",
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsyntax-only",
        "-I",
        INTERFACE,
        "-I",
        tmp_path / "c",
    ]
    subprocess.run([str(word) for word in (*words, *sources)], check=True)


def test_the_resolver_registers_what_the_file_uses_and_no_more(bundle: Bundle) -> None:
    text = (bundle.c / "op_resolver.h").read_text()
    called = [line.split("resolver.")[1].split("(")[0] for line in text.splitlines() if "ENSURE" in line]
    expected = ["AddAdd", "AddConv2D", "AddDepthwiseConv2D", "AddFullyConnected", "AddMean", "AddSoftmax"]
    assert called == expected
    assert "MicroMutableOpResolver<6>" in text


def test_an_operator_that_tflite_micro_lacks_is_named() -> None:
    with pytest.raises(UnsupportedError, match="no operator FFT, TOPK_V2; expected one of ABS, ADD,"):
        resolver_methods(["ADD", "TOPK_V2", "FFT"])


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, 1 / 255, 3.4028235e38, 1e-45, -2.5e-7, 16777216.0])
def test_float_literals_read_back_to_the_same_bits(value: float) -> None:
    text = literals.float_literal(value)
    assert text.endswith("f") and ("." in text or "e" in text)
    assert np.float32(text[:-1]).tobytes() == np.float32(value).tobytes()


def test_every_template_is_used(bundle: Bundle, data: Dataset, tmp_path: Path) -> None:
    audio = make_bundle(tmp_path / "audio", data, LogMel(), resized_from=(16, 16))
    written = {path.name for path in audio.folder.rglob("*")}
    of_all = [path for path in TEMPLATES.rglob("*.in") if "tasks" not in path.parts]  # see test_tasks.py
    assert {path.name.removesuffix(".in") for path in of_all} <= written
    assert [one.passed for one in audio.manifest.proof.ran if one.passed is not None].count(False) == 0
    assert len({one.output for one in audio.manifest.proof.ran if one.passed}) <= 1
    assert all("log-mel: ok" in one.output for one in audio.manifest.proof.ran if one.passed)
    for path in audio.folder.rglob("*"):
        assert path.suffix == ".bin" or not path.is_file() or "@{" not in path.read_text(errors="replace")
