"""``edgenas estimate``: what a model will cost on a device, without running it."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HELP = "predict latency, peak RAM and flash of a .tflite, .onnx, .keras or spec .json file on a device"

ENDINGS = ".tflite, .onnx, .keras, .h5 or spec .json"


@dataclass(frozen=True)
class ModelFile:
    """A model file that was read.

    Attributes:
        graph: Its operations, an `edgenas.arch.graph.OpGraph`.
        int8_bytes: Size of the file if it is the int8 file itself, else None.
        note: What to say about the figures, or None.
    """

    graph: Any
    int8_bytes: int | None = None
    note: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the device and the runtime."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help=".tflite, .onnx, .keras, .h5, or a spec as .json"
    )
    parser.add_argument("--device", default="host", help="device id (default: host)")
    parser.add_argument("--table", type=Path, metavar="FILE", help="latency table that 'edgenas sweep' wrote")
    parser.add_argument("--runtime", help="one of the device's runtimes (default: the device's own choice)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """The cost document of the model deployed in int8.

    Raises:
        UnsupportedError: The file is of another kind, or holds an operation without a cost or one that
            the device cannot run.
        UnknownNameError: The device does not list the runtime.
        TableMissError: The device's latency table lacks an operation.
        ConfigError: The table given is none, or of another device.
    """
    from edgenas.profile.device import load_device
    from edgenas.profile.sources import caveat, cost_source, table_source

    device = load_device(args.device)
    if args.runtime is not None:
        device = replace(device, runtime=_listed(args.runtime, device))
    source = cost_source(device) if args.table is None else table_source(args.table, device)
    model = read_model(args.model)
    device.check_runs(model.graph.ops)
    cost = _cost(source, model, args.model)
    note = "; ".join(filter(None, [model.note, caveat(source, device)]))
    return {**cost.to_json(), **({"note": note} if note else {})}


def _cost(source: Any, model: ModelFile, path: Path) -> Any:
    """The cost of a graph, or of the int8 file that it was read from."""
    from edgenas.build.living import living_graph
    from edgenas.cost.predictor import PredictorSource
    from edgenas.profile.vela import VelaSource

    if model.int8_bytes is None:
        return source.estimate(model.graph, per_op=True)
    if isinstance(source, VelaSource):
        return source.estimate_file(path.read_bytes(), model.graph)
    cost = replace(source.estimate(model.graph, per_op=True), flash_bytes=model.int8_bytes)
    if isinstance(source, PredictorSource) and source.predictor.drops_constants:
        return source.timed(cost, living_graph(path.read_bytes()))
    return cost


def _listed(runtime: str, device: Any) -> str:
    """The runtime if the device has it.

    Raises:
        UnknownNameError: It has not; the message names those it has.
    """
    from edgenas.registry import unknown_name

    if runtime not in device.runtimes:
        raise unknown_name(f"runtime of device '{device.id}'", runtime, device.runtimes)
    return runtime


def read_model(path: Path) -> ModelFile:
    """The operations of a model file.

    Raises:
        UnsupportedError: The file is missing, of another kind, damaged, or has an operation without a cost.
    """
    from edgenas.errors import UnsupportedError

    try:
        is_there = path.is_file()
    except (OSError, ValueError) as error:  # a name too long, or with a zero byte
        raise UnsupportedError(f"{str(path)[:80]!r} is no name of a file: {error.args[-1]}") from None
    if not is_there:
        raise UnsupportedError(f"there is no file {path}; expected a {ENDINGS} file")
    readers = {
        ".tflite": _read_tflite, ".onnx": _read_onnx, ".keras": _read_keras, ".h5": _read_keras,
        ".json": _read_spec,
    }  # fmt: skip
    if path.suffix.lower() not in readers:
        raise UnsupportedError(f"{path} has the ending '{path.suffix}'; expected {ENDINGS}")
    try:
        return readers[path.suffix.lower()](path)
    except OSError as error:
        raise UnsupportedError(f"{path} cannot be read: {error.strerror or error}") from None


def _read_tflite(path: Path) -> ModelFile:
    from edgenas.build.read_tflite import graph_from_tflite, is_int8

    model = path.read_bytes()
    graph = graph_from_tflite(model)
    if is_int8(model):
        return ModelFile(graph, len(model))
    return ModelFile(
        graph, note="the file is not int8 throughout; these figures are those of the network in int8"
    )


def _read_onnx(path: Path) -> ModelFile:
    from edgenas.build.read_onnx import graph_from_onnx

    return ModelFile(
        graph_from_onnx(path.read_bytes()),
        note="RAM and flash are those of the network as an int8 .tflite file",
    )


def _read_keras(path: Path) -> ModelFile:
    from edgenas.build.load_keras import load_keras
    from edgenas.build.read_keras import graph_from_keras

    return ModelFile(graph_from_keras(load_keras(path)))


def _read_spec(path: Path) -> ModelFile:
    from edgenas.arch.spec import ArchSpec
    from edgenas.documents import check_fields, reading
    from edgenas.errors import UnsupportedError

    try:
        document = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise UnsupportedError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UnsupportedError(f"{path} is a JSON {type(document).__name__}; expected a spec or a manifest")
    mend = "expected what ArchSpec.to_json wrote, or a manifest"
    with reading(f"spec {path}", mend):
        document = document.get("description", document)
        graph = ArchSpec.from_json(document.get("spec", document)).graph()
        check_fields(graph, f"spec {path}", mend)
    return ModelFile(graph)


def show(document: dict[str, Any]) -> None:
    """Print totals and the share of each operation."""
    from edgenas.cli.summary import print_cost

    print_cost(document)
    if "note" in document:
        print(f"note: {document['note']}")
