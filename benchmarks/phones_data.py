"""Published latencies of phones and single-board computers, each network rebuilt as a graph.

Readers of three collections; each accepts any file of its form. Networks that are not rebuilt are counted,
not guessed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgenas.arch import reference_networks as public
from edgenas.arch.graph import OpGraph


@dataclass(frozen=True)
class Row:
    """One network measured on one device.

    Attributes:
        setting: What ran it: device, runtime, threads, as the collection names them.
        precision: ``float32`` or ``int8``.
        network: The network as the collection names it.
        family: What it belongs to; a family is left out as a whole.
        graph: The network.
        latency_ms: Measured.
        source: File and row.
    """

    setting: str
    precision: str
    network: str
    family: str
    graph: OpGraph
    latency_ms: float
    source: str


Built = tuple[str, OpGraph]
_V1 = re.compile(r"mobilenet[-_]v1[-_]([\d.]+)[-_](\d+)")
_V2 = re.compile(r"mobilenet[-_]v2[-_]([\d.]+)[-_](\d+)")
_V3 = re.compile(r"mobilenet-v3-(large|small)(-minimalistic)?_(\d+)_([\d.]+)")
_LITE = re.compile(r"efficientnet-lite(\d)")
_MNASNET = re.compile(r"mnasnet_([\d.]+)_(\d+)")
_FP32 = {
    "MobileNet v1 1.0X": ("MobileNet v1", lambda: public.mobilenet_v1()),
    "MobileNet v2 1.0X": ("MobileNet v2", lambda: public.mobilenet_v2()),
    "MobileNet v3 Large": ("MobileNet v3", lambda: public.mobilenet_v3()),
    "MobileNet v3 Small": ("MobileNet v3", lambda: public.mobilenet_v3("small")),
}


@cache
def built(name: str) -> Built | None:
    """Family and graph of a network by the name that a collection gives it; None if it is not rebuilt."""
    lower = name.lower()
    if name in _FP32:
        family, make = _FP32[name]
        return family, make()
    if found := _V1.match(lower):
        return "MobileNet v1", public.mobilenet_v1(float(found[1]), int(found[2]))
    if found := _V2.match(lower):
        return "MobileNet v2", public.mobilenet_v2(float(found[1]), int(found[2]))
    if found := _V3.match(lower):
        return "MobileNet v3", public.mobilenet_v3(
            found[1], float(found[4]), int(found[3]), minimalistic=bool(found[2])
        )
    if found := _LITE.match(lower):
        return "EfficientNet-lite", public.efficientnet_lite(int(found[1]))
    if found := _MNASNET.match(lower):
        return "MnasNet", public.mnasnet(float(found[1]), int(found[2]))
    return ("SqueezeNet", public.squeezenet()) if lower == "squeezenet" else None


def single_board(path: Path, statistic: str = "p50_ms") -> tuple[list[Row], int]:
    """Rows of `sbc_tflite_singlestream.csv`, and how many networks are not rebuilt.

    Args:
        statistic: Column of the latency; ``min_ms`` is the time without disturbance.
    """

    def row(line: dict[str, str]) -> tuple[str, str, str, float]:
        name = line["model"]
        exact = not name.endswith(("uint8", "quantized")) or name.endswith("non-quantized")
        setting = f"{line['system']} ({line['sys_name']}, {line['freq']}, {line['framework']})"
        return setting, "float32" if exact else "int8", name, float(line[statistic])

    return _rows(path, row)


def hosted(path: Path) -> tuple[list[Row], int]:
    """Rows of `pixel3_hosted_models.csv` on the CPU, and how many networks are not rebuilt."""

    def row(line: dict[str, str]) -> tuple[str, str, str, float]:
        precision = "float32" if line["dtype"] == "float32" else "int8"
        return f"{line['device']}, CPU, 4 threads", precision, line["model"], float(line["cpu4_ms"])

    return _rows(path, row)


def xnnpack(path: Path) -> tuple[list[Row], int]:
    """Rows of `xnnpack_mobilenet.csv`, and how many networks are not rebuilt."""

    def row(line: dict[str, str]) -> tuple[str, str, str, float]:
        precision, name = line["model"].split(" ", 1)
        setting = f"{line['device']}, XNNPACK, {line['threads']} threads, {line['date']}"
        return setting, {"FP32": "float32", "INT8": "int8"}[precision], name, float(line["latency_ms"])

    return _rows(path, row)


def _rows(path: Path, read: Callable[[dict[str, str]], tuple[str, str, str, float]]) -> tuple[list[Row], int]:
    rows, unknown = [], 0
    with path.open(encoding="utf-8", newline="") as stream:
        for number, line in enumerate(csv.DictReader(stream), 2):
            setting, precision, name, latency_ms = read(line)
            network = built(name)
            if network is None:
                unknown += 1
                continue
            rows.append(Row(setting, precision, name, *network, latency_ms, f"{path.name}:{number}"))
    return rows, unknown
