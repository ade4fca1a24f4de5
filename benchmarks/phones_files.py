"""The predictor files of phones and boards that ship, each with what leaving networks out showed.

python benchmarks/phones_files.py --reference DIR --out latency_tables
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from phones_data import Row, hosted, single_board, xnnpack

from edgenas.cost.kernel_sets import APPLICATION, kernel_set
from edgenas.cost.predictor import PUBLIC, Predictor
from edgenas.cost.transfer_kernels import core_prior
from edgenas.cost.transfer_log import LeftOut, fit_kernels, leave_out
from edgenas.profile.device import core_id, load_device

FEWEST_NETWORKS, FEWEST_FAMILIES, LARGEST_ERROR = 4, 2, 0.15
"""What a setting needs to ship: networks, families, and at most this mean error of what was left out."""
FEWEST_FOR_FAMILIES = 3
"""With fewer families, and fewer rows than `MANY`, single networks are left out instead."""
MANY = 8

KRAI = "MLPerf Inference v1.0 to v2.0, edge, single stream, submissions of Krai"
P50, MIN, PUBLISHED = "p50_ms", "min_ms", "as published"
HOSTED = "TensorFlow Lite hosted models, Pixel 3, CPU with 4 threads"
XNNPACK = "github.com/google/XNNPACK, README, latencies of MobileNets"


@dataclass(frozen=True)
class Setting:
    """Rows that become one file.

    Attributes:
        starts: How the rows' setting starts.
        device: Device id.
        runtime: Runtime id.
        release: The runtime's version and kernels.
        clock_mhz: Clock while it was measured, as its collection has it or else the device file.
        threads: Cores that the runtime could use; the collections do not state its threads, but for one.
        statistic: What the latencies are.
        source: The collection.
    """

    starts: str
    device: str
    runtime: str
    release: str
    clock_mhz: float | None
    threads: int
    statistic: str
    source: str


SETTINGS = (
    Setting("rpi4-tflite-v2.7.1", "raspberry-pi-4", "litert", "TFLite 2.7.1, ruy", 1800, 4, P50, KRAI),
    Setting("rpi4-armnn-v21.11", "raspberry-pi-4", "armnn", "21.11, Neon", 1800, 4, P50, KRAI),
    Setting("firefly-tflite-v2.5.0", "firefly-rk3399", "litert", "TFLite 2.5.0, ruy", 1800, 6, MIN, KRAI),
    Setting("firefly-armnn-v21.02-neon", "firefly-rk3399", "armnn", "21.02, Neon", 1800, 6, MIN, KRAI),
    Setting("Pixel 3 (Android 10)", "pixel-3", "litert", "TensorFlow Lite, Android 10", None, 4, PUBLISHED, HOSTED),
    Setting("Pixel, XNNPACK, 1 ", "pixel", "litert", "XNNPACK of 2020-03-27", None, 1, PUBLISHED, XNNPACK),
    Setting("Pixel 2, XNNPACK, 1 ", "pixel-2", "litert", "XNNPACK of 2020-03-27", None, 1, PUBLISHED, XNNPACK),
    Setting("Pixel 3a, XNNPACK, 1 ", "pixel-3a", "litert", "XNNPACK of 2020-03-27", None, 1, PUBLISHED, XNNPACK),
    Setting("RPi 3+ (", "raspberry-pi-3", "litert", "XNNPACK of 2022-02-08", None, 4, PUBLISHED, XNNPACK),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, metavar="DIR", required=True)
    parser.add_argument("--out", type=Path, default=Path("latency_tables"))
    args = parser.parse_args()
    boards = {
        statistic: single_board(args.reference / "sbc_tflite_singlestream.csv", statistic)[0]
        for statistic in (P50, MIN)
    }
    others = hosted(args.reference / "pixel3_hosted_models.csv")[0]
    others += xnnpack(args.reference / "xnnpack_mobilenet.csv")[0]
    for setting in SETTINGS:
        rows = boards.get(setting.statistic, others)
        for precision in ("int8", "float32"):
            mine = [r for r in rows if r.setting.startswith(setting.starts) and r.precision == precision]
            if mine:
                write(setting, mine, args.out)


def write(setting: Setting, rows: Sequence[Row], folder: Path) -> None:
    """One file, if the rows are enough and foretell each other well enough; else say why there is none."""
    name = f"{setting.device}/{setting.runtime}{'' if rows[0].precision == 'int8' else '-float32'}.json"
    families = {row.family for row in rows}
    if len(rows) < FEWEST_NETWORKS or len(families) < FEWEST_FAMILIES:
        print(f"not shipped: {name}: {len(rows)} networks of {len(families)} families")
        return
    counts, measured = counted(rows)
    by_family = len(families) >= FEWEST_FOR_FAMILIES or len(rows) >= MANY
    groups = [row.family if by_family else row.network for row in rows]
    left_out = leave_out(partial(core_prior, rows[0].precision), counts, measured, groups)
    error = float(np.abs(left_out.errors).mean())
    if error > LARGEST_ERROR:
        print(f"not shipped: {name}: mean error {error:.1%} of what was left out")
        return
    what = "each family of networks" if by_family else "each network"
    predictor(setting, rows, left_out, what).save(folder / name)
    print(f"{name}: {len(rows)} networks, mean error {error:.1%} of {what} left out")


def predictor(setting: Setting, rows: Sequence[Row], left_out: LeftOut, what: str) -> Predictor:
    """The predictor of a setting, in cycles of its clock."""
    device, precision = load_device(setting.device), rows[0].precision
    clock = setting.clock_mhz or device.clock_mhz
    if clock is None:
        raise SystemExit(f"device '{device.id}' states no clock")
    counts, measured = counted(rows)
    fit = fit_kernels(partial(core_prior, precision), counts, measured * clock * 1e3)
    macs = [row.graph.macs for row in rows]
    return Predictor(
        setting.device, core_id(device.core), setting.runtime, setting.release, precision, PUBLIC,
        f"fitted on {len(rows)} networks of {len({row.family for row in rows})} families, on up to "
        f"{setting.threads} cores, {setting.statistic}", (setting.source,), float(clock), fit.kernels, fit.noise,
        left_out.interval, False, (min(macs), max(macs)), validation(left_out, what), None,
        tuple(map(described, rows)), APPLICATION, setting.threads,
    )  # fmt: skip


def counted(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Features and milliseconds of the rows."""
    counts = kernel_set(APPLICATION, rows[0].precision).of_networks([row.graph for row in rows])
    return counts, np.array([row.latency_ms for row in rows])


def validation(left_out: LeftOut, what: str) -> dict[str, Any]:
    """How what was left out was predicted."""
    errors = np.abs(left_out.errors)
    return {
        "left_out": what,
        "measurements": len(errors),
        "mean_error": round(float(errors.mean()), 4),
        "within_10_percent": round(float((errors < 0.10).mean()), 4),
    }


def described(row: Row) -> dict[str, Any]:
    """A measurement as the file keeps it."""
    return {
        "network": row.network, "family": row.family, "latency_ms": row.latency_ms, "source": row.source,
    }  # fmt: skip


if __name__ == "__main__":
    main()
