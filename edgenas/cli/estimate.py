"""``edgenas estimate``: what a model will cost on a device, without running it."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

HELP = "predict latency, peak RAM and flash of a .tflite, .keras or spec .json file on a device"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model and the device."""
    parser.add_argument("model", type=Path, metavar="MODEL", help=".tflite, .keras, or a spec as .json")
    parser.add_argument("--device", default="host", help="device id (default: host)")
    parser.add_argument("--table", type=Path, metavar="FILE", help="latency table that 'edgenas sweep' wrote")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """The cost document of the model deployed in int8.

    Raises:
        UnsupportedError: The file is of another kind, or holds an operation without a cost or one that
            the device cannot run.
        TableMissError: The device's latency table lacks an operation.
        ConfigError: The table given is none, or of another device.
    """
    from edgenas.profile.device import load_device
    from edgenas.profile.sources import caveat, cost_source, table_source

    device = load_device(args.device)
    source = cost_source(device) if args.table is None else table_source(args.table, device)
    graph, file_bytes = read_model(args.model)
    device.check_runs(graph.ops)
    cost = _cost(source, graph, args.model, file_bytes)
    note = caveat(source, device)
    return {**cost.to_json(), **({"note": note} if note else {})}


def _cost(source: Any, graph: Any, path: Path, file_bytes: int | None) -> Any:
    """The cost of a graph, or of the int8 file that it was read from."""
    from edgenas.build.living import living_graph
    from edgenas.cost.predictor import PredictorSource
    from edgenas.profile.vela import VelaSource

    if file_bytes is None:
        return source.estimate(graph, per_op=True)
    if isinstance(source, VelaSource):
        return source.estimate_file(path.read_bytes(), graph)
    cost = replace(source.estimate(graph, per_op=True), flash_bytes=file_bytes)
    if isinstance(source, PredictorSource) and source.predictor.drops_constants:
        return source.timed(cost, living_graph(path.read_bytes()))
    return cost


def read_model(path: Path) -> tuple[Any, int | None]:
    """The operations of a model file, and its size where it is the int8 file itself.

    Raises:
        UnsupportedError: The file is missing or of another kind.
    """
    from edgenas.errors import UnsupportedError

    if not path.is_file():
        raise UnsupportedError(f"there is no file {path}; expected a .tflite, .keras or spec .json file")
    if path.suffix == ".tflite":
        from edgenas.build.read_tflite import graph_from_tflite, is_int8

        model = path.read_bytes()
        return graph_from_tflite(model), len(model) if is_int8(model) else None
    if path.suffix == ".keras":
        return _read_keras(path), None
    if path.suffix == ".json":
        return _read_spec(path), None
    raise UnsupportedError(f"{path} has the ending '{path.suffix}'; expected .tflite, .keras or .json")


def _read_keras(path: Path) -> Any:
    import keras

    from edgenas.build.read_keras import graph_from_keras
    from edgenas.errors import UnsupportedError

    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, TypeError) as error:
        raise UnsupportedError(f"{path} is not a Keras 3 model: {str(error).splitlines()[0]}") from None
    return graph_from_keras(model)


def _read_spec(path: Path) -> Any:
    from edgenas.arch.spec import ArchSpec
    from edgenas.errors import UnsupportedError

    try:
        document = json.loads(path.read_text())
    except ValueError as error:
        raise UnsupportedError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UnsupportedError(f"{path} is a JSON {type(document).__name__}; expected a spec or a manifest")
    document = document.get("description", document)
    return ArchSpec.from_json(document.get("spec", document)).graph()


def show(document: dict[str, Any]) -> None:
    """Print totals and the share of each operation."""
    from edgenas.cli.summary import print_cost

    print_cost(document)
    if "note" in document:
        print(f"note: {document['note']}")
