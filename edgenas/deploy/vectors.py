"""Test vectors: a few inputs with what must come out of each step, for C and for any other language.

The folder ``test_vectors/`` holds each array as a ``.bin`` file of plain values, little-endian and in C
order, and ``vectors.json``, which names type and shape of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.captured import captured
from edgenas.deploy.outputs import Outputs
from edgenas.deploy.samples import MOST_VECTORS, RawSamples
from edgenas.errors import ConfigError
from edgenas.export.running import Port, Program
from edgenas.task import CLASSIFICATION

SCHEMA_VERSION = 2
"""2 has tasks; vectors of a classifier are still written as 1, so that older versions read them."""
FOLDER = "test_vectors"
INDEX = "vectors.json"
ARRAYS = ("raw", "prepared", "input", "output")
"""Arrays of every task; the results stand beside them under a name of their own."""
FNV_BASIS, FNV_PRIME = 2166136261, 16777619


@dataclass(frozen=True, eq=False)
class Vectors:
    """Inputs and what comes of them.

    Attributes:
        raw: uint8 or float32 of shape (n, *input shape): before normalization.
        prepared: float32 of that shape: after normalization, what float files read.
        input: int8 of that shape: what the int8 file reads.
        output: int8 of shape (n, ...): what the int8 file writes.
        results: float32 of shape (n, k): what a device makes of it, see `edgenas.deploy.outputs`.
        labels: The right answers as the data hold them, with n entries.
        runtime: What computed ``output``.
        outputs: By file of the bundle, its outputs here as float32 of shape (n, ...).
    """

    raw: np.ndarray
    prepared: np.ndarray
    input: np.ndarray
    output: np.ndarray
    results: np.ndarray
    labels: np.ndarray
    runtime: str
    outputs: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def hash(self) -> int:
        """FNV-1a (Fowler, Noll, Vo) over inputs and results, as ``run_test_vectors.c`` computes it."""
        value = FNV_BASIS
        for row, results in zip(self.input, self.results, strict=True):
            for byte in row.tobytes() + results.astype("<f4").tobytes():
                value = (value ^ byte) * FNV_PRIME & 0xFFFFFFFF
        return value


def make_vectors(
    samples: RawSamples,
    outputs: Outputs,
    input_port: Port,
    output_port: Port,
    model: bytes,
    programs: Mapping[str, Program],
) -> Vectors:
    """Run some samples through every file.

    Args:
        samples: The inputs.
        outputs: What a device makes of the outputs; chooses the samples.
        input_port: Of the int8 file.
        output_port: Of the int8 file.
        model: The int8 file.
        programs: All files of the bundle, ready to run.
    """
    chosen = outputs.vectors(samples.labels, MOST_VECTORS)
    values = samples.values[chosen]
    prepared = samples.prepared(values)
    quantized = input_port.quantize(prepared)
    output, runtime = expected_output(model, quantized)
    return Vectors(
        raw=values,
        prepared=prepared,
        input=quantized,
        output=output,
        results=outputs.results(output_port, output, prepared),
        labels=np.asarray(samples.labels[chosen]),
        runtime=runtime,
        outputs={name: program.run(prepared).astype(np.float32) for name, program in programs.items()},
    )


def expected_output(model: bytes, values: np.ndarray) -> tuple[np.ndarray, str]:
    """Outputs of an int8 file for int8 inputs, and the runtime that computed them."""
    if (outputs := run_interpreter(model, values)) is not None:
        return outputs, "TFLite-Micro's interpreter with its reference kernels"
    return run_reference(model, values), "LiteRT's reference kernels, which TFLite-Micro's are written after"


def run_interpreter(model: bytes, values: np.ndarray) -> np.ndarray | None:
    """Outputs of an int8 file in TFLite-Micro's interpreter, or None where it is not installed or fails."""
    try:
        from tflite_micro import runtime
    except ImportError:
        return None
    rows = []
    with captured():
        try:
            arena = (10 * len(model) + 16 * 2**20) // 16 * 16
            interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena)
            for position in range(len(values)):
                interpreter.reset()  # the state of a recurrent layer, which else is kept between calls
                interpreter.set_input(values[position : position + 1], 0)
                interpreter.invoke()
                rows.append(np.array(interpreter.get_output(0)))
        except (RuntimeError, ValueError):
            return None
    outputs: np.ndarray = np.concatenate(rows)
    return outputs


def run_reference(model: bytes, values: np.ndarray) -> np.ndarray:
    """Outputs of an int8 file in LiteRT with its reference kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with captured():
        interpreter = Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        )
        interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rows = []
    for position in range(len(values)):
        interpreter.reset_all_variables()
        interpreter.set_tensor(source["index"], values[position : position + 1])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target["index"]).copy())
    outputs: np.ndarray = np.concatenate(rows)
    return outputs


def write_vectors(folder: Path, vectors: Vectors, samples: RawSamples, outputs: Outputs) -> None:
    """Write the folder ``test_vectors`` of a bundle.

    Raises:
        OSError: It cannot be written.
    """
    home = folder / FOLDER
    home.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(vectors, name) for name in ARRAYS}
    arrays[outputs.results_name] = vectors.results
    classifies = outputs.task == CLASSIFICATION
    document = {
        "schema": 1 if classifies else SCHEMA_VERSION,
        **({} if classifies else {"task": {**outputs.task.to_json(), **outputs.task.describe()}}),
        "vectors": len(vectors),
        "byte_order": "little",
        "int8_runtime": vectors.runtime,
        "labels": vectors.labels.tolist(),
        **outputs.document(vectors.results, vectors.output[0].size),
        "preprocessing": {"scale": samples.scale.tolist(), "offset": samples.offset.tolist()},
        "arrays": {name: _write(home, f"{name}.bin", array) for name, array in arrays.items()},
        "outputs": {
            name: _write(home, f"{name}.output.bin", array) for name, array in vectors.outputs.items()
        },
    }
    (home / INDEX).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _write(home: Path, name: str, array: np.ndarray) -> dict[str, Any]:
    (home / name).write_bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return {"file": name, "dtype": array.dtype.name, "shape": list(array.shape)}


def read_vectors(folder: Path) -> Vectors:
    """The test vectors of a bundle whose checksums were compared before.

    Raises:
        ConfigError: They are missing, damaged or of a newer version.
    """
    home = folder / FOLDER
    try:
        document = json.loads((home / INDEX).read_text(encoding="utf-8"))
        version = document["schema"]
        if version not in range(1, SCHEMA_VERSION + 1):
            raise ConfigError(
                f"test vectors of schema {version!r} were given; this version of edgenas reads "
                f"1 to {SCHEMA_VERSION}: update edgenas"
            )
        arrays = {name: _read(home, entry) for name, entry in document["arrays"].items()}
        common = {name: arrays.pop(name) for name in ARRAYS}
        (results,) = arrays.values()
        return Vectors(
            **common,
            results=results,
            labels=np.asarray(document["labels"]),
            runtime=document["int8_runtime"],
            outputs={name: _read(home, entry) for name, entry in document["outputs"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{home} holds no readable test vectors ({error}); export again") from None


def _read(home: Path, entry: Mapping[str, Any]) -> np.ndarray:
    name = Path(entry["file"]).name
    values = np.fromfile(home / name, np.dtype(entry["dtype"]).newbyteorder("<"))
    return values.astype(entry["dtype"]).reshape(entry["shape"])
