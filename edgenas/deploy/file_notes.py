"""One line on each file of a bundle."""

from __future__ import annotations

from pathlib import Path

NOTES = {
    "README.md": "this file",
    "manifest.json": "checksums, shapes, quantization, figures, costs and the proof, for programs",
    "model_card.md": "data, figures, costs, origin, intended use and limits, for people",
    "LICENSES.md": "which licence applies to what",
    "model.float32.tflite": "the network in float32 for LiteRT",
    "model.int8.tflite": "the network in int8 for LiteRT, TFLite-Micro and NPU compilers",
    "model.float32.onnx": "the network in float32 for ONNX Runtime",
    "model.int8.onnx": "the network in int8 (QDQ) for ONNX Runtime",
    "c/model_data.h": "`model.int8.tflite` as an array",
    "c/model_data.c": "its bytes, aligned to 16",
    "c/model_config.h": "shapes, scales, zero points, size of the arena",
    "c/op_resolver.h": "registers the operators of the network in TFLite-Micro (C++)",
    "c/tflm_model.h": "the network behind three functions",
    "c/tflm_model.cc": "those functions with TFLite-Micro (C++)",
    "c/preprocess.h": "raw values to int8 input",
    "c/preprocess.c": "the same bytes as the Python pipeline",
    "c/preprocess_u8.h": "8-bit values to int8 input",
    "c/preprocess_u8.c": "by a table",
    "c/resize.h": "from the size of the data to that of the network",
    "c/resize.c": "by area averaging",
    "c/postprocess.h": "",  # of the task, see `file_table`
    "c/postprocess.c": "",
    "c/log_mel.h": "audio to log-mel spectrogram",
    "c/log_mel.c": "window, FFT, mel triangles, logarithm; no library",
    "c/test_log_mel.h": "a test of the spectrogram",
    "c/test_log_mel.c": "two frames of sound and what Python computes",
    "c/test_vectors.h": "real inputs and what must come out of each step",
    "c/test_vectors.c": "their values",
    "c/check_output.h": "a test of the post-processing",
    "c/check_output.c": "against what Python makes of the same outputs",
    "c/run_test_vectors.h": "runs them",
    "c/run_test_vectors.c": "prints PASSED or what is wrong",
    "c/edgenas_model.h": "all of the folder in one include",
    "c/library.properties": "makes the folder an Arduino library",
    "test_vectors/vectors.json": "type and shape of each array in this folder",
}

FOLDERS = {
    "projects/cmake": "runs the test vectors on this machine and an emulated Cortex-M4; fetches TFLite-Micro",
    "projects/qemu": "startup code and linker script for the emulated Cortex-M4",
    "projects/arduino": "a sketch that runs the test vectors",
    "projects/zephyr": "an application that runs the test vectors",
    "projects/esp-idf": "an application that runs the test vectors",
    "samples/linux": "",  # of the task
    "samples/android": "two classes in Kotlin around LiteRT",
    "test_vectors": "inputs and outputs of each file as plain values, for any language",
}


def file_table(folder: Path, postprocess: tuple[str, str], linux: str) -> str:
    """Rows of a Markdown table: each file with its note, folders of projects and samples as a whole.

    Args:
        folder: The bundle.
        postprocess: Notes on ``postprocess.h`` and ``postprocess.c``.
        linux: Note on the sample for Linux.
    """
    of_task = dict(zip(("c/postprocess.h", "c/postprocess.c"), postprocess, strict=True))
    notes, folders = {**NOTES, **of_task}, {**FOLDERS, "samples/linux": linux}
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    names |= {name for name in NOTES if name.endswith(".md") or name == "manifest.json"}  # written last
    rows = [(name, note) for name, note in notes.items() if name in names]
    rows += [
        (name, "a model file; see the manifest")
        for name in sorted(names)
        if "/" not in name and name not in NOTES
    ]
    rows += [
        (f"{home}/", note) for home, note in folders.items() if any(name.startswith(home) for name in names)
    ]
    return "\n".join(f"| `{name}` | {note} |" for name, note in rows)
