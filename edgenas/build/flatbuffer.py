"""Writing a TFLite flatbuffer with aligned buffers from the generated Object API."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

ALIGNMENT_BYTES = 16  # `force_align: 16` of Buffer.data in schema.fbs; generated Python ignores it
_SCHEMA_VERSION = 3
_FILE_IDENTIFIER = b"TFL3"


class AlignedBufferT(schema.BufferT):
    """A buffer whose bytes start on a 16-byte boundary of the file, as kernels expect of constants."""

    def Pack(self, builder: Any) -> Any:
        """Write the buffer and return its offset."""
        data = np.asarray(self.data, np.uint8)
        builder.StartVector(1, data.size, ALIGNMENT_BYTES)
        builder.head -= data.size
        builder.Bytes[builder.head : builder.head + data.size] = data.tobytes()
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def pack_model(subgraph: Any, buffers: list[Any], codes: list[tuple[int, int]], description: str) -> bytes:
    """The bytes of a ``.tflite`` file with one subgraph.

    Args:
        subgraph: A ``SubGraphT``.
        buffers: ``BufferT`` or `AlignedBufferT` by buffer id; the first is empty.
        codes: (builtin operator, version) by opcode index.
        description: What wrote the file.
    """
    model = schema.ModelT()
    model.version = _SCHEMA_VERSION
    model.description = description
    model.subgraphs = [subgraph]
    model.buffers = buffers
    model.operatorCodes = []
    for code, version in codes:
        entry = schema.OperatorCodeT()
        # Old readers know only the signed byte; 127 there means "look at the other field".
        entry.deprecatedBuiltinCode = min(code, 127)
        entry.builtinCode = code
        entry.version = version
        model.operatorCodes.append(entry)
    weight_bytes = sum(0 if buffer.data is None else len(buffer.data) for buffer in buffers)
    builder = flatbuffers.Builder(weight_bytes + 4096)
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())
