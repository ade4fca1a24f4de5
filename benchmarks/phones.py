"""Are latencies of phones and boards foretold: by a fit, on a device yet unmeasured, for a family never seen?

FBNet chains: each device fitted on 500 of its own (goal: Spearman 0.99, 95 % within 5 %), then each in turn
as new with 10 measurements and all others known (goal: Spearman 0.97). Public networks: every setting (board,
runtime, precision) with whole families left out (goal on the Raspberry Pi 4: 80 % within 10 %). Nothing is
tuned to a device here: files of the same form with other devices, boards and networks are read the same way.

    python benchmarks/phones.py --reference DIR [--seeds N] [--json OUT]
    python benchmarks/phones.py --fbnet FILE.npz ... --boards FILE.csv ...
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from phones_boards import family_out, settings
from phones_data import Row, hosted, single_board, xnnpack
from phones_fbnet import FIT, MEASURED, fit_rows, read_devices, transfer_rows

from edgenas.environment import machine, versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, metavar="DIR", help="folder with all public collections")
    parser.add_argument("--fbnet", type=Path, nargs="+", default=[], metavar="NPZ")
    parser.add_argument("--boards", type=Path, nargs="+", default=[], metavar="CSV")
    parser.add_argument("--statistic", default="p50_ms", help="column of --boards files that is predicted")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    fbnet, boards = list(args.fbnet), list(args.boards)
    if args.reference:
        fbnet.append(args.reference / "fbnet_latency.npz")
        boards.append(args.reference / "sbc_tflite_singlestream.csv")
    if not fbnet and not boards:
        parser.error("give --reference DIR, --fbnet FILE or --boards FILE")
    rows = [row for path in boards for row in single_board(path, args.statistic)[0]]
    unknown = sum(single_board(path)[1] for path in boards)
    if args.reference:
        for found, missed in (
            hosted(args.reference / "pixel3_hosted_models.csv"),
            xnnpack(args.reference / "xnnpack_mobilenet.csv"),
        ):
            rows, unknown = rows + found, unknown + missed
    document = {
        "benchmark": "phones",
        "date": date.today().isoformat(),
        "statistic": args.statistic,
        "fbnet": fbnet_section(fbnet, args.seeds),
        "families": families_section(rows, unknown),
        "machine": machine(),
        "versions": versions(),
    }
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def fbnet_section(paths: Sequence[Path], seeds: int) -> dict[str, Any]:
    """Fits and transfer between the devices of all files."""
    devices = [device for path in paths for device in read_devices(path)]
    fitted = fit_rows(devices, seeds)
    if fitted:
        print(f"FBNet chains, fitted on {FIT} of a device's own, mean of {seeds} draws")
        print(f"{'device':>16} {'Spearman':>9} {'limit':>7} {'within 5 %':>11} {'in interval':>12}")
    for row in fitted:
        print(
            f"{row['device']:>16} {row['spearman']:>9.4f} {row['limit']:>7.4f} "
            f"{row['within_5_percent']:>11.1%} {row['inside_interval']:>12.1%}"
        )
    moved = transfer_rows(devices, seeds) if len(devices) > 2 else []
    if moved:
        print(f"\nFBNet chains on a new device, {MEASURED} measurements, all others known")
        print(f"{'device':>16} {'chosen':>8} {'random':>8} {'error':>7} {'in interval':>12}  nearest")
    for row in moved:
        print(
            f"{row['device']:>16} {row['chosen']['spearman']:>8.4f} {row['random']['spearman']:>8.4f} "
            f"{row['chosen']['mean_error']:>7.1%} {row['chosen']['inside_interval']:>12.1%}  {row['nearest']}"
        )
    return {"fitted": fitted, "new_device": moved}


def families_section(rows: Sequence[Row], unknown: int) -> dict[str, Any]:
    """Families left out, by setting, and over all settings of a Raspberry Pi 4."""
    found = [family_out(group) for group in settings(rows)]
    judged = [row for row in found if "errors" in row]
    if judged:
        print(f"\nFamilies left out ({len(rows)} rows; {unknown} of networks that are not rebuilt)")
        print(f"{'within 10 %':>12} {'per MAC':>8} {'error':>7} {'worst':>7} {'networks':>9}  setting")
    for row in judged:
        print(
            f"{row['within_10_percent']:>12.1%} {row['constant_per_mac_within_10_percent']:>8.1%} "
            f"{row['mean_error']:>7.1%} {row['worst_error']:>7.0%} {row['networks']:>9}  "
            f"{row['setting']}, {row['precision']}"
        )
    for row in found:
        if "too_few" in row:
            print(f"{'too few':>12} {row['networks']:>35}  {row['setting']}, {row['precision']}")
    summary = {"raspberry_pi_4": pooled([row for row in judged if "Raspberry Pi 4" in row["setting"]])}
    if summary["raspberry_pi_4"]:
        print(f"Raspberry Pi 4, all settings: {summary['raspberry_pi_4']}")
    return {"settings": found, "unknown_networks": unknown, **summary}


def pooled(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Figures over all rows of some settings."""
    errors = np.abs([error for row in rows for error in row["errors"]])
    if not len(errors):
        return {}
    return {
        "rows": len(errors),
        "within_10_percent": round(float(np.mean(errors < 0.10)), 4),
        "mean_error": round(float(errors.mean()), 4),
    }


if __name__ == "__main__":
    main()
