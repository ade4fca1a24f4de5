"""The folder ``c/`` of a bundle: the network as an array, its ends and operators, pre- and post-processing.

Everything but ``op_resolver.h`` and ``tflm_model.cc`` is plain C99 and needs no library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgenas.deploy import layout, literals
from edgenas.deploy.facts import Facts
from edgenas.deploy.log_mel_c import log_mel_values
from edgenas.deploy.outputs import Outputs
from edgenas.deploy.rendering import write_group
from edgenas.deploy.samples import RawSamples
from edgenas.deploy.vectors import Vectors

FOLDER = "c"

RESET = """  /* a recurrent layer keeps its state between inferences; each input begins anew */
  if (interpreter->Reset() != kTfLiteOk) {
    return 1;
  }
"""


def write_c(folder: Path, facts: Facts, samples: RawSamples, outputs: Outputs, vectors: Vectors) -> None:
    """Write the folder ``c`` of a bundle.

    Raises:
        OSError: It cannot be written.
    """
    values = {
        **_of_model(facts),
        **_of_pipeline(facts, samples),
        **_of_vectors(vectors, samples, outputs),
        "task_constants": outputs.constants(facts.output_size),
        **outputs.c_values(vectors.results, facts.output_size),
    }
    for group in ("c", f"tasks/{outputs.task.name}/c"):
        write_group(group, folder / FOLDER, values)
    if by_table(samples):
        write_group("u8", folder / FOLDER, values)
    if samples.resized_from is not None:
        write_group("resize", folder / FOLDER, _of_resizing(facts, samples.resized_from))
    if samples.front_end is not None:
        write_group("audio", folder / FOLDER, log_mel_values(samples.front_end))


def _of_model(facts: Facts) -> Mapping[str, str]:
    return {
        "model_bytes": str(len(facts.model)),
        "model_sha256": hashlib.sha256(facts.model).hexdigest(),
        "model_table": literals.table(np.frombuffer(facts.model, np.uint8)),
        "input_rank": str(len(facts.input_shape)),
        "input_shape": literals.braced(facts.input_shape),
        "input_size": str(facts.input_size),
        "input_channels": str(facts.input_shape[-1]),
        "input_scale": literals.float_literal(facts.input.scale or 0.0),
        "input_zero_point": str(facts.input.zero_point),
        "output_size": str(facts.output_size),
        "output_scale": literals.float_literal(facts.output.scale or 0.0),
        "output_zero_point": str(facts.output.zero_point),
        "arena_bytes": str(facts.arena_bytes),
        "arena_source": f"{facts.arena_needed_bytes} bytes are needed: {facts.arena_source}.",
        "operators": ", ".join(facts.operators),
        "reset_lines": RESET if facts.keeps_state else "",
        "method_count": str(len(facts.methods)),
        "register_lines": "\n".join(
            f"  TF_LITE_ENSURE_STATUS(resolver.{method}());" for method in facts.methods
        ),
    }


def _of_pipeline(facts: Facts, samples: RawSamples) -> Mapping[str, str]:
    every_byte = np.arange(256, dtype=np.uint8)
    quantized = facts.input.quantize(samples.prepared(every_byte)) if by_table(samples) else np.zeros(0)
    size = samples.resized_from
    return {
        "normalization_scale": literals.table(samples.scale),
        "normalization_offset": literals.table(samples.offset),
        "channel_place": "0" if by_table(samples) else "channel",
        "u8_include": '#include "preprocess_u8.h"\n' if by_table(samples) else "",
        "u8_table": literals.table(quantized),
        "input_layout": layout.of_values(facts.input_shape) + layout.columns_comment(samples.columns),
        "resize_note": _resize_note(facts, size),
        "front_end_include": '#include "test_log_mel.h"\n' if samples.front_end else "",
        "front_end_check": "  failed += edgenas_check_log_mel() != 0;\n" if samples.front_end else "",
    }


def _resize_note(facts: Facts, before: tuple[int, ...] | None) -> str:
    if len(facts.input_shape) < 3:
        return ""
    if before is None:
        return " Those of another size are resized before."
    return " Those in the size of the data go\n * through resize.h before."


def _of_resizing(facts: Facts, before: tuple[int, ...]) -> Mapping[str, str]:
    return {
        "raw_height": str(before[0]),
        "raw_width": str(before[1]),
        "network_height": str(facts.input_shape[0]),
        "network_width": str(facts.input_shape[1]),
    }


def by_table(samples: RawSamples) -> bool:
    """Whether 8-bit values have a table: one normalization for all channels."""
    return len(samples.scale) == 1


def _of_vectors(vectors: Vectors, samples: RawSamples, outputs: Outputs) -> Mapping[str, str]:
    n = len(vectors)
    is_u8 = vectors.raw.dtype == np.uint8 and by_table(samples)
    return {
        "vector_count": str(n),
        "raw_type": "uint8_t" if is_u8 else "float",
        "raw_suffix": "u8" if is_u8 else "f32",
        "vectors_runtime": vectors.runtime,
        "vectors_hash": f"{vectors.hash:08x}",
        "vector_raw": literals.rows(vectors.raw if is_u8 else vectors.raw.astype(np.float32)),
        "vector_input": literals.rows(vectors.input),
        "vector_output": literals.rows(vectors.output),
        "result_count": str(vectors.results.shape[1]),
        "vector_result_bits": literals.rows(vectors.results.astype(np.float32).view(np.uint32)),
        "vector_meaning": ",\n".join(
            f"  {literals.string_literal(words)}" for words in outputs.meanings(vectors.results)
        ),
    }
