"""Public measurements of whole networks on microcontrollers, as rows with their graphs.

Reads the files named in `read_all` below one folder; a file of the same columns with other boards or networks
is read the same way. A row whose network's graph is not known is left out and counted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edgenas.arch.graph import OpGraph
from edgenas.arch.reference_networks import mobilenet_v1, mobilenet_v2
from edgenas.build.living import living_graph
from edgenas.build.read_tflite import graph_from_tflite
from edgenas.cost.fitting import Target
from edgenas.errors import EdgenasError
from edgenas.profile.device import core_id


@dataclass(frozen=True)
class Row:
    """One network measured on one board.

    Attributes:
        network: Name of the network; the same name is the same network everywhere.
        family: Networks that differ in width and resolution only share it.
        graph: What runs, constant channels left out where the runtime leaves them out.
        latency_ms: Of one inference.
        clock_mhz: Of the core while it ran.
        target: Board, core, runtime and its release.
        energy_mj: Of one inference, where measured.
        source: Where the figure stands.
    """

    network: str
    family: str
    graph: OpGraph
    latency_ms: float
    clock_mhz: float
    target: Target
    energy_mj: float | None
    source: str


def read_all(reference: Path) -> list[Row]:
    """Every row whose network and runtime are known, in the order of the files."""
    rows: list[Row] = []
    for path in sorted(reference.rglob("mlperf_tiny_results*.csv")):
        rows += mlperf_rows(path)
    for path in sorted(reference.rglob("stm32_x_cube_ai*.csv")):
        rows += st_rows(path, reference)
    for path in sorted(reference.rglob("tinyengine_table*.csv")):
        rows += tinyengine_rows(path)
    for path in sorted(reference.rglob("B1-B7_benchmark_results*.csv")):
        rows += dense_rows(path)
    return rows


def mlperf_rows(path: Path) -> list[Row]:
    """MLPerf Tiny's closed division on Cortex-M cores, int8, default optimization."""
    rows = []
    models = _mlperf_models(path.parent / "models")
    for entry in _entries(path):
        target = _mlperf_target(entry)
        if target is None or entry["benchmark"] not in models:
            continue
        graph, living = models[entry["benchmark"]]
        energy = (
            float(entry["energy"]) / 1e3 if entry["energy"] and entry["energy_unit"] == "uJ/inf" else None
        )
        rows.append(
            Row(
                f"mlperf-{entry['benchmark']}", entry["benchmark"],
                living if drops_constants(target) else graph,
                float(entry["latency_ms"]), float(entry["freq_mhz"]), target, energy,
                f"MLPerf Tiny {entry['round']}, {entry['path']}",
            )
        )  # fmt: skip
    return rows


def _mlperf_models(folder: Path) -> dict[str, tuple[OpGraph, OpGraph]]:
    names = {"ad": "ad01_int8", "ic": "pretrainedResnet_quant", "kws": "kws_ref_model", "vww": "vww_96_int8"}
    files = {key: (folder / f"{name}.tflite").read_bytes() for key, name in names.items()}
    return {key: (graph_from_tflite(model), living_graph(model)) for key, model in files.items()}


def drops_constants(target: Target) -> bool:
    """Whether a runtime leaves constant channels out.

    X-CUBE-AI 8.0 and Plumerai's engine of v1.0 take 1.8 and 1.9 times as long for the person detector as
    their next release does, on every board, with the other networks hardly changed.
    """
    if target.runtime == "x-cube-ai":
        return tuple(map(int, target.release.split("."))) >= (8, 1)
    return target.runtime == "onnc" or (target.runtime == "plumerai" and target.release != "v1.0")


def _mlperf_target(entry: dict[str, str]) -> Target | None:
    """What a row ran on; None where core or runtime are not stated, or it is not the usual int8 build."""
    system = entry["system"]
    if entry["division"] != "closed" or entry["class"] != "mcu-cpu" or not entry["freq_mhz"]:
        return None
    if re.search("float|max_performance|min_ram", system):
        return None
    core = re.search(r"Cortex-?(M\d+)", entry["processor"].replace("®", ""))
    runtime = _mlperf_runtime(entry)
    if core is None or runtime is None:
        return None
    board = re.sub("[_ ]", "-", entry["board"].lower())
    board = {"nucleo-h7a3zi": "nucleo-h7a3zi-q", "nucleo-l4r5zi-p": "nucleo-l4r5zi"}.get(board, board)
    return Target(*runtime, core_id(f"Cortex-{core[1]}"), board)


def _mlperf_runtime(entry: dict[str, str]) -> tuple[str, str] | None:
    text = f"{entry['framework']} {entry['compiler']} {entry['system']}"
    if found := re.search(r"X-CUBE-AI[ _-]*v?(\d+\.\d+)", text):
        return "x-cube-ai", found[1]
    if "TensorFlow Lite for Micro" in text:
        return "tflite-micro", "2.3"
    if "microtvm" in text.lower():
        return ("microtvm" if "native" in text.lower() else "microtvm-cmsis-nn"), "1"
    if "Plumerai" in text:
        return "plumerai", entry["round"]
    if "Hardware-Aware Lowering" in text:
        return "hale", entry["round"]
    if "ONNC" in text:
        return "onnc", entry["system"].split("-")[-1]
    return None


def st_rows(path: Path, reference: Path) -> list[Row]:
    """STMicroelectronics' model zoo on Cortex-M boards, int8."""
    rows = []
    for entry in _entries(path):
        if not entry["core"].startswith("Cortex-M") or entry["format"].lower() != "int8":
            continue
        version = ".".join(re.findall(r"\d+", entry["tool_version"])[:2])
        target = Target("x-cube-ai", version, core_id(entry["core"]), entry["board"].lower())
        graph = _st_graph(entry, reference, drops_constants(target))
        if graph is None:
            print(f"left out, its graph is not known: {entry['model']} {entry['input']}")
            continue
        size, channels = entry["input"].split("x")[0], entry["input"].split("x")[-1]
        model = re.sub(r" (tfs|fft)$", "", entry["model"])
        name, family = f"{model} {size}x{channels}", " ".join(re.sub(r"[\d.]+$", "", model).split()).lower()
        if model.startswith("ResNet v1 8"):  # the network of MLPerf Tiny
            name, family = "mlperf-ic", "ic"
        rows.append(
            Row(
                name, family, graph, float(entry["inference_ms"]), float(entry["core_mhz"]), target, None,
                f"stm32ai-modelzoo {entry['zoo_release']}, {entry['readme']}: {name}",
            )
        )  # fmt: skip
    return rows


def _st_graph(entry: dict[str, str], reference: Path, living: bool) -> OpGraph | None:
    """Graph of the row's file if it is there, else of the known architecture."""
    for path in sorted(reference.rglob(entry.get("local_file") or "none")):
        try:
            return (living_graph if living else graph_from_tflite)(path.read_bytes())
        except EdgenasError as error:
            print(f"{path.name}: {error}")
            return None
    size, channels = (int(entry["input"].split("x")[place]) for place in (0, -1))
    if found := re.match(r"MobileNet v([12]) ([\d.]+)", entry["model"]):
        build = {"1": mobilenet_v1, "2": mobilenet_v2}[found[1]]
        return _of_channels(build(float(found[2]), size, FLOWERS), channels)
    if entry["model"].startswith("ResNet v1 8"):
        for path in sorted(reference.rglob("pretrainedResnet_quant.tflite")):
            return graph_from_tflite(path.read_bytes())
    return None


def _of_channels(graph: OpGraph, channels: int) -> OpGraph:
    """The network for images of another number of channels."""
    first = graph.ops[0]
    first = replace(first, in_shape=(*first.in_shape[:-1], channels))
    return OpGraph(first.in_shape, (first, *graph.ops[1:]))


FLOWERS = 5
"""Classes of the data set that the zoo's reference times are of."""
TINYENGINE_FILES = {"mcunet-in3": "mcunet-320kb-1mb_imagenet.tflite"}
TINYENGINE_RUNTIMES = {
    "TFLite-Micro": ("tflite-micro", "unstated"), "CMSIS-NN": ("tflite-micro-cmsis-nn", "unstated"),
    "X-CUBE-AI": ("x-cube-ai", "7.3"), "TinyEngine": ("tinyengine", "unstated"),
}  # fmt: skip
STM32H743_MHZ = 480.0


def tinyengine_rows(path: Path) -> list[Row]:
    """TinyEngine's comparison on an STM32H743, taken to run at its highest clock."""
    rows = []
    for entry in _entries(path):
        model = path.parent / TINYENGINE_FILES.get(entry["net_id"], "none")
        if not entry["latency_ms"] or not model.is_file():
            continue
        runtime, release = TINYENGINE_RUNTIMES[entry["engine"]]
        target = Target(runtime, release, "cortex-m7", "nucleo-h743zi")
        rows.append(
            Row(
                entry["net_id"], "mcunet", graph_from_tflite(model.read_bytes()),
                float(entry["latency_ms"]), STM32H743_MHZ, target, None,
                f"TinyEngine's README: {entry['net_id']}, {entry['engine']}",
            )
        )  # fmt: skip
    return rows


DENSE_BOARDS = {
    "Arduino Nano 33": ("cortex-m4", "arduino-nano-33-ble", 64.0),
    "Arduino Portenta M7": ("cortex-m7", "arduino-portenta-h7", 480.0),
    "ESP32 Dev Module": ("xtensa-lx6", "esp32", 240.0),
    "Feather M4 Express {opt=fastest,speed=200}": ("cortex-m4", "feather-m4-express", 200.0),
    "NUCLEO H743ZI2 {opt=o3}": ("cortex-m7", "nucleo-h743zi2", 480.0),
    "Raspberry Pi Pico": ("cortex-m0+", "raspberry-pi-pico", 125.0),
    "Teensy 4.0": ("cortex-m7", "teensy-4.0", 600.0),
}
"""Core, device id and clock: the highest of the chip, of the Pico the clock its SDK sets."""


def dense_rows(path: Path) -> list[Row]:
    """Small fully connected float networks with TFLite-Micro."""
    rows = []
    for entry in _entries(path):
        known = DENSE_BOARDS.get(entry["MCU Board Name"])
        name = f"{entry['Network Architecture']} {entry['Dataset Name']}".replace(" ", "_")
        model = path.parent / f"{name}.tflite"
        if known is None or not model.is_file():
            continue
        core, board, clock_mhz = known
        rows.append(
            Row(
                name, entry["Network Architecture"], graph_from_tflite(model.read_bytes()),
                float(entry["Inference Time (microseconds)"]) / 1e3, clock_mhz,
                Target("tflite-micro float32", "unstated", core, board), None,
                f"TinyML-Benchmark-NNs-on-MCUs, B1-B7: {entry['MCU Board Name']}, {name}",
            )
        )  # fmt: skip
    return rows


def _entries(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
