"""``edgenas profile``: measures a model file on a device."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgenas.cli.reach import add_reach_arguments, add_spread_argument, careful, runner_of

if TYPE_CHECKING:
    from edgenas.profile.protocol import Measurement
    from edgenas.profile.runner import Runner

HELP = "measure the latency of a .tflite or .onnx file on a device"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the device and the way to it."""
    parser.add_argument("model", type=Path, metavar="MODEL", help=".tflite, or .onnx for onnxruntime")
    add_reach_arguments(parser)
    add_spread_argument(parser)
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.03,
        metavar="SHARE",
        help="count bursts beside a sentinel that much slower than its fastest, for busy machines; not on "
        "phones (default: 0.03)",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """The cost document of the model, with the measured latency.

    Figures that need the operations of the file (MACs, parameters) are null where they cannot be read, and
    RAM is null for anything but int8, as no float runtime's memory is known; ``note`` then says so.

    Raises:
        UnknownNameError: No such device.
        UnsupportedError: No runner reaches the device, or the runtime cannot load the model.
        ConfigError: A share that is not a finite number above 0.
        MeasurementError: The machine was too busy, the measurement spread too far, or the device went away.
    """
    from edgenas.errors import UnsupportedError

    runner = runner_of(args, args.model, careful(args, tolerance=args.tolerance))
    if not args.model.is_file():
        raise UnsupportedError(f"there is no file {args.model}; expected a .{runner.model_format} file")
    if args.model.suffix not in (f".{runner.model_format}", ""):
        raise UnsupportedError(
            f"{args.model} was given for runtime '{runner.runtime}'; expected a .{runner.model_format} file, "
            "or another --runtime"
        )
    model = args.model.read_bytes()
    try:
        measured = runner.measure(model)
        return {**_static(model, runner), **_timed(measured, runner), "flash_bytes": len(model)}
    finally:
        runner.close()


def _timed(measured: Measurement, runner: Runner) -> dict[str, Any]:
    """The part of the document that was measured."""
    from edgenas.profile.protocol import STATISTIC

    return {
        "source": "measured",
        "latency_ms": measured.latency_ms,
        "latency_low_ms": measured.low_ms,
        "latency_high_ms": measured.high_ms,
        "median_ms": measured.median_ms,
        "p90_ms": measured.p90_ms,
        "spread": measured.spread,
        "max_spread": runner.protocol.max_spread,
        "tolerance": runner.protocol.tolerance if measured.statistic == STATISTIC else None,
        "threads": runner.threads,
        "governor": runner.governor(),
        "statistic": measured.statistic,
        "repeats": measured.repeats,
        "machine": runner.machine(),
    }


def _static(model: bytes, runner: Runner) -> dict[str, Any]:
    """The cost document's static figures in its order of fields; latencies are filled in by the caller."""
    from edgenas.cost.static import StaticSource
    from edgenas.cost.types import Cost
    from edgenas.errors import UnsupportedError

    device, runtime = runner.device.id, runner.runtime
    precision = _precision(model, runner.model_format)
    unknown = dict.fromkeys(("peak_ram_bytes", "arena_head_bytes"))
    try:
        cost = StaticSource(device, runtime).estimate(_graph(model, runner.model_format), per_op=True)
    except UnsupportedError as error:
        blank = Cost(device, runtime, precision, "measured", None, None, None, 0, 0, 0, 0).to_json()
        note = f"MACs, parameters and RAM are unknown: {error}"
        return {**blank, **unknown, **dict.fromkeys(("macs", "params")), "note": note}
    document = {**cost.to_json(), "precision": precision}
    if precision == "int8" and runner.model_format == "tflite":
        return {**document, "note": "peak RAM is that of TFLite Micro in int8, not of this runtime"}
    # Bytes of weights and RAM are int8 figures, so they say nothing of other files.
    note = "peak RAM is unknown: it is known of int8 .tflite files in TFLite Micro only"
    return {**document, **unknown, "per_op": [], "note": note}


def _graph(model: bytes, model_format: str) -> Any:
    if model_format == "onnx":
        from edgenas.build.read_onnx import graph_from_onnx

        return graph_from_onnx(model)
    from edgenas.build.read_tflite import graph_from_tflite

    return graph_from_tflite(model)


def _precision(model: bytes, model_format: str) -> str:
    """``int8`` if the file computes in int8, else ``float32``."""
    if model_format == "tflite":
        from edgenas.build.read_tflite import is_int8

        return "int8" if is_int8(model) else "float32"
    import onnx

    kinds = {node.op_type for node in onnx.load_from_string(model).graph.node}
    return "int8" if kinds & {"QuantizeLinear", "QLinearConv", "QLinearMatMul"} else "float32"


def show(document: dict[str, Any]) -> None:
    """Print totals, and how they were measured."""
    from rich.console import Console
    from rich.markup import escape

    from edgenas.cli.summary import print_cost

    print_cost(document)
    console = Console(highlight=False)
    quantiles = [
        f"{name} {1e3 * document[key]:.1f} us"
        for name, key in (("median", "median_ms"), ("90 % quantile", "p90_ms"))
        if document[key] is not None
    ]
    spread = f"spread {document['spread']:.1%} (bound {document['max_spread']:.0%})"
    tolerance = [f"tolerance {document['tolerance']:.0%}"] if document["tolerance"] else []
    console.print(escape(", ".join([*quantiles, spread, *tolerance])), soft_wrap=True)
    governor = document["governor"] or "not readable"
    console.print(
        escape(
            f"{document['statistic']}, {document['repeats']} of them; {document['machine']['cpu']}, "
            f"{document['machine']['version']}, {document['threads']} thread(s), clock governor {governor}"
        ),
        soft_wrap=True,
    )
    if "note" in document:
        console.print(escape(f"note: {document['note']}"), soft_wrap=True)
