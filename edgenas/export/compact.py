"""A converter's ``.tflite`` file without what no runtime needs.

TensorFlow's converter names each tensor after the Keras layers that it came from, often a hundred
characters, gives every activation an empty buffer of its own, and adds metadata and signatures. In
a network for a microcontroller that is a tenth of the flash and more, and it depends on how layers
are called; so does the order of branches, which decides on memory (`edgenas.export.order` sorts them).
What decides the computation stays as it is: types of tensors, operators, their options and versions,
weights and quantization parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgenas.build.flatbuffer import AlignedBufferT, pack_model
from edgenas.build.tflite_tables import check_model
from edgenas.errors import UnsupportedError

DESCRIPTION = "edgenas"


def compact(model: bytes) -> bytes:
    """Rewrite a ``.tflite`` file as small as its computation allows.

    Operators and tensors are put in one order (`edgenas.export.order`), tensors are named by their numbers;
    descriptions, metadata, signatures, unused buffers, unused operator codes and second copies of equal
    buffers are left out; constants start on 16-byte boundaries of the file. A file that was compacted
    before stays the same.

    Args:
        model: Bytes of a file with one subgraph, of any precision.

    Returns:
        Bytes of a file that computes the same, bit by bit.

    Raises:
        UnsupportedError: The bytes are not a ``.tflite`` file, or one with several subgraphs,
            sparse tensors, custom operators or data outside of its buffers.
    """
    from ai_edge_litert import schema_py_generated as schema

    from edgenas.export.order import put_in_order

    check_model(model)
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    _refuse_what_would_be_lost(parsed)
    subgraph = parsed.subgraphs[0]
    subgraph.name = None
    subgraph.debugMetadataIndex = -1
    codes = [(max(c.builtinCode, c.deprecatedBuiltinCode), c.version) for c in parsed.operatorCodes]
    codes = put_in_order(subgraph, parsed.buffers, codes)
    buffers = _used_buffers(subgraph, parsed.buffers, schema.BufferT)
    for number, tensor in enumerate(subgraph.tensors):
        tensor.name = str(number)
        if _is_empty(tensor.quantization):
            tensor.quantization = None
    for operator in subgraph.operators:
        operator.debugMetadataIndex = -1
    return pack_model(subgraph, buffers, codes, DESCRIPTION)


def _refuse_what_would_be_lost(parsed: Any) -> None:
    if len(parsed.subgraphs) != 1:
        raise UnsupportedError(
            f"a .tflite file with {len(parsed.subgraphs)} subgraphs was given; expected one: convert a "
            "model without control flow"
        )
    if any(code.customCode for code in parsed.operatorCodes):
        raise UnsupportedError(
            "a .tflite file with custom operators was given; expected builtin ones only: convert with "
            "supported_ops TFLITE_BUILTINS or TFLITE_BUILTINS_INT8"
        )
    for tensor in parsed.subgraphs[0].tensors:
        if tensor.sparsity is not None or tensor.externalBuffer:
            name = tensor.name.decode(errors="replace") if tensor.name else "unnamed"
            raise UnsupportedError(
                f"tensor '{name}' is sparse or stored outside of the file; expected plain tensors: convert "
                "a model without pruned storage"
            )
    if parsed.externalBuffers or any(buffer.offset for buffer in parsed.buffers):
        raise UnsupportedError(
            "a .tflite file with data outside of its buffers was given; expected one below 2 GiB that the "
            "converter wrote whole"
        )


def _used_buffers(subgraph: Any, buffers: list[Any], empty: type[Any]) -> list[Any]:
    """The distinct buffers with data in the tensors' order, after an empty one; tensors are renumbered."""
    used = [empty()]  # buffer 0 is empty by the format's rule
    numbers: dict[bytes, int] = {}
    for tensor in subgraph.tensors:
        data = buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            tensor.buffer = 0
            continue
        content = np.asarray(data, np.uint8).tobytes()
        if content not in numbers:
            buffer = AlignedBufferT()
            buffer.data = np.frombuffer(content, np.uint8)
            numbers[content] = len(used)
            used.append(buffer)
        tensor.buffer = numbers[content]
    return used


def _is_empty(quantization: Any) -> bool:
    """Whether quantization parameters say nothing, as the converter writes them for float tensors."""
    if quantization is None:
        return False
    fields = (quantization.scale, quantization.zeroPoint, quantization.min, quantization.max)
    return quantization.details is None and all(values is None or len(values) == 0 for values in fields)
