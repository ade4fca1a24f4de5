"""How well are networks on microcontrollers predicted that, or whose board, the fit never saw?

Reads public measurements (`microcontrollers_data.py` says which files), fits kernels of all boards and
runtimes together, and prints, each with the share within 15 % and within the stated interval:
(a) a network that was left out everywhere, its whole family left out, and left out on the one board only;
(b) a board that was left out, its core and runtime known from other boards; (c) the same after three
measurements on it, chosen by the planner, and any three. Beside (a) stands a constant number of cycles per
MAC, taken from the board's other networks. Then energy, and estimates a second on one core.

    python benchmarks/microcontrollers.py --reference DIR [--test DIR] [--write LATENCY_TABLES] [--json OUT]

``--test`` predicts the rows of another folder of the same formats from the fit on the first, ``--write``
writes the predictor files that ship.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from microcontrollers_data import Row, read_all
from microcontrollers_files import interval_of, power_of, write_files

from edgenas.arch.spaces.micro import MicroSpace
from edgenas.cost.adapting import Measurements, adapted, planner
from edgenas.cost.fitting import NOISE, HierarchicalFit, Reading, Target
from edgenas.cost.kernel_features import network_features
from edgenas.cost.predictor import PUBLIC, Predictor, PredictorSource
from edgenas.cost.static import StaticSource
from edgenas.environment import machine, versions

FLOAT = "float32"
FEW = 3
GOALS = {"network": (0.08, 0.90), "board": (0.20, None), "three": (0.10, None)}
Key = Callable[[Row], Any]


@dataclass(frozen=True)
class Prediction:
    """A row, and what was predicted without it."""

    row: Row
    error: float
    deviations: float
    spread: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--test", type=Path, metavar="DIR", help="rows to predict from a fit on the reference"
    )
    parser.add_argument("--write", type=Path, metavar="DIR", help="write predictor files below this folder")
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    everything = read_all(args.reference)
    rows = [row for row in everything if FLOAT not in row.target.runtime]
    small = [row for row in everything if FLOAT in row.target.runtime]
    print(f"{len(rows)} int8 rows of {count(rows, 'network')} networks, {len(small)} small float rows")
    document: dict[str, Any] = {
        "benchmark": "microcontrollers", "date": date.today().isoformat(), "goals": GOALS,
        "machine": machine(), "versions": versions(), "tables": {},
    }  # fmt: skip
    if args.test:
        known = {(row.source, row.latency_ms) for row in rows}
        unseen = [row for row in read_all(args.test) if (row.source, row.latency_ms) not in known]
        unseen = [row for row in unseen if FLOAT not in row.target.runtime]
        table(document, "rows of the test folder", predict(rows, unseen), each=runtime_of)
        return save(document, args.json)
    network_out = left_out(rows, lambda row: row.network, known_board)
    board_out = left_out(rows, lambda row: row.target.board, known_core)
    table(document, "constant cycles per MAC, network left out", constant(rows), each=runtime_of)
    table(document, "(a) network left out everywhere", network_out, each=runtime_of)
    table(document, "(a) X-CUBE-AI by network", of(network_out, "x-cube-ai"), each=lambda row: row.network)
    table(document, "(a) X-CUBE-AI by board", of(network_out, "x-cube-ai"), each=lambda row: row.target.board)
    table(document, "(a) family left out", left_out(rows, lambda r: r.family, known_board), runtime_of)
    table(document, "(a) network left out on its board only", on_one_board(rows), each=runtime_of)
    table(document, "(b) board left out", board_out, each=runtime_of)
    chosen, any_three = after_three(rows)
    table(document, "(c) board left out, three measured, chosen", chosen, each=runtime_of)
    table(document, "(c) board left out, any three measured", any_three, each=runtime_of)
    table(document, "small dense float networks, network left out",
          left_out(small, lambda row: row.network, known_board), lambda row: row.target.board)  # fmt: skip
    energy(document, rows)
    speed(document, rows)
    if args.write:
        write_files(rows, [(p.row, p.error, p.deviations) for p in network_out],
                    [(p.row, p.error, p.deviations) for p in board_out], args.write)  # fmt: skip
    save(document, args.json)


def runtime_of(row: Row) -> str:
    return row.target.runtime


def readings(rows: Iterable[Row]) -> list[Reading]:
    """What the fit takes."""
    return [
        Reading(row.network, network_features(row.graph), row.latency_ms * row.clock_mhz * 1e3, row.target)
        for row in rows
    ]


def predict(known: Sequence[Row], unseen: Sequence[Row]) -> list[Prediction]:
    """Rows predicted from others, of which none is one of theirs."""
    fit = HierarchicalFit(readings(known))
    found = []
    for row, reading in zip(unseen, readings(unseen), strict=True):
        log_cycles, spread = fit.kernels(reading.target).predict(reading.counts)
        found.append(compared(row, float(log_cycles[0]), float(np.hypot(spread[0], NOISE))))
    return found


def compared(row: Row, log_cycles: float, spread: float) -> Prediction:
    residual = log_cycles - float(np.log(row.latency_ms * row.clock_mhz * 1e3))
    return Prediction(row, float(np.expm1(residual)), residual / spread, spread)


def left_out(rows: Sequence[Row], key: Key, counts: Callable[[Row, Sequence[Row]], bool]) -> list[Prediction]:
    """Every group of rows of one key predicted from the others, where these make the row's case."""
    found = []
    for value in sorted({key(row) for row in rows}):
        known = [row for row in rows if key(row) != value]
        unseen = [row for row in rows if key(row) == value and counts(row, known)]
        found += predict(known, unseen) if unseen else []
    return found


def known_board(row: Row, known: Sequence[Row]) -> bool:
    place = (row.target.board, row.target.runtime)
    return any((other.target.board, other.target.runtime) == place for other in known)


def known_core(row: Row, known: Sequence[Row]) -> bool:
    place = (row.target.core, row.target.runtime)
    return any((other.target.core, other.target.runtime) == place for other in known)


def on_one_board(rows: Sequence[Row]) -> list[Prediction]:
    """Each network left out on one board and runtime, known on others."""
    found = []
    for value in sorted({(row.network, row.target.board, row.target.runtime) for row in rows}):
        inside = [row for row in rows if (row.network, row.target.board, row.target.runtime) == value]
        known = [row for row in rows if row not in inside]
        elsewhere = any(row.network == value[0] for row in known)
        if elsewhere and known_board(inside[0], known):
            found += predict(known, inside)
    return found


def constant(rows: Sequence[Row]) -> list[Prediction]:
    """A constant number of cycles per MAC from the other networks of board, runtime and release."""
    found = []
    for row in rows:
        others = [r for r in rows if r.target == row.target and r.network != row.network]
        if others:
            rate = np.mean([np.log(r.latency_ms * r.clock_mhz * 1e3 / r.graph.macs) for r in others])
            found.append(compared(row, float(rate + np.log(row.graph.macs)), 1.0))
    return found


def after_three(rows: Sequence[Row]) -> tuple[list[Prediction], list[Prediction]]:
    """Boards left out, then three of their networks measured: chosen by the planner, and any three."""
    chosen: list[Prediction] = []
    any_three: list[Prediction] = []
    for board in sorted({row.target.board for row in rows}):
        known = [row for row in rows if row.target.board != board]
        fit = HierarchicalFit(readings(known))
        for target in sorted({row.target for row in rows if row.target.board == board}, key=str):
            inside = [row for row in rows if row.target == target]
            inside = list({row.network: row for row in inside}.values())
            if len(inside) <= FEW or not known_core(inside[0], known):
                continue
            prior = family(fit, target, inside[0].clock_mhz)
            counts = np.array([network_features(row.graph) for row in inside])
            best = sorted(planner(prior, 0).next_measurements(counts, FEW))
            for three in combinations(range(len(inside)), FEW):
                result = adapt_and_predict(prior, inside, three)
                any_three += result
                chosen += result if list(three) == best else []
    return chosen, any_three


def adapt_and_predict(prior: Predictor, inside: Sequence[Row], three: Sequence[int]) -> list[Prediction]:
    measured = [inside[place] for place in three]
    rest = [row for place, row in enumerate(inside) if place not in three]
    found = adapted(prior, measurements(measured))
    asked = measurements(rest)
    latency_ms, spread = found.latency_ms(asked.counts, asked.macs)
    return [
        compared(row, float(np.log(ms * row.clock_mhz * 1e3)), float(s))
        for row, ms, s in zip(rest, latency_ms, spread, strict=True)
    ]


def measurements(rows: Sequence[Row]) -> Measurements:
    return Measurements(
        tuple(row.network for row in rows),
        np.array([network_features(row.graph) for row in rows]),
        np.array([row.graph.macs for row in rows], dtype=float),
        np.array([row.latency_ms for row in rows]),
    )


def family(fit: HierarchicalFit, target: Target, clock_mhz: float | None) -> Predictor:
    """The predictor of a board that the fit has not seen."""
    return Predictor(
        target.board, target.core, target.runtime, target.release, "int8", PUBLIC, "", (), clock_mhz,
        fit.kernels(target), NOISE, 1.645, False, (1, 10**9), {}, None, (),
    )  # fmt: skip


def energy(document: dict[str, Any], rows: Sequence[Row]) -> None:
    """Energy of a network left out, from the power of the board's other networks and its own latency."""
    print("\nenergy, network left out, its latency known: power of the board's newest release")
    lines = []
    for board, runtime in sorted({(r.target.board, r.target.runtime) for r in rows if r.energy_mj}):
        found = power_of([r for r in rows if (r.target.board, r.target.runtime) == (board, runtime)])
        if found:
            lines.append({"board": board, "runtime": runtime, **asdict(found)})
            print(f"  {board:22s} {runtime:20s} {found.power_mw:7.1f} mW  mean error {found.mean_error:.1%}")
    document["energy"] = lines


def speed(document: dict[str, Any], rows: Sequence[Row]) -> None:
    """Estimates a second of CPU time on one core, from spec to cost."""
    fit = HierarchicalFit(readings(rows))
    target = Target("x-cube-ai", "9.0", "cortex-m7", "nucleo-h7a3zi-q")
    source = PredictorSource(family(fit, target, 280.0), StaticSource(target.board, target.runtime))
    space = MicroSpace((32, 32, 3), 10)
    specs = [space.sample(np.random.default_rng((7, k))) for k in range(2_000)]
    rates = []
    for _ in range(3):
        start = time.process_time()
        for spec in specs:
            source.estimate(spec.graph())
        rates.append(len(specs) / (time.process_time() - start))
    if "tensorflow" in sys.modules:
        raise SystemExit("TensorFlow was imported; these figures are without it")
    document["estimates_per_second"] = max(rates)
    print(f"\n{max(rates):,.0f} estimates a second from spec to cost, one core, without TensorFlow")


def table(document: dict[str, Any], title: str, found: Sequence[Prediction], each: Key) -> None:
    """Print a line for all and one for each group."""
    print(f"\n{title}\n{'':34s} rows  mean   within 15 %  in interval  interval")
    groups = {"all": list(found)}
    for value in sorted({each(one.row) for one in found}):
        groups[str(value)] = [one for one in found if each(one.row) == value]
    scale = interval_of([one.deviations for one in found])
    document["tables"][title] = {name: summary(group, scale) for name, group in groups.items()}
    for name, line in document["tables"][title].items():
        print(
            f"{name:34s} {line['rows']:4d}  {line['mean_error']:5.1%}  {line['within_15']:10.0%}"
            f"  {line['in_interval']:10.0%}  {line['half_width']:8.0%}"
        )


def summary(found: Sequence[Prediction], scale: float) -> dict[str, Any]:
    """Figures of some predictions; the interval is that of a normal law, 1.645 standard deviations."""
    errors = np.abs([one.error for one in found])
    return {
        "rows": len(found),
        "mean_error": float(errors.mean()),
        "within_15": float((errors <= 0.15).mean()),
        "in_interval": float(np.mean(np.abs([one.deviations for one in found]) <= 1.645)),
        "half_width": float(np.median(np.sinh([1.645 * one.spread for one in found]))),
        "deviations_of_nine_in_ten": scale,
    }


def of(found: Sequence[Prediction], runtime: str) -> list[Prediction]:
    return [one for one in found if one.row.target.runtime == runtime]


def count(rows: Sequence[Row], name: str) -> int:
    return len({getattr(row, name) for row in rows})


def save(document: dict[str, Any], path: Path | None) -> None:
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
