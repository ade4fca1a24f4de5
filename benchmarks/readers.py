"""Do the readers see in files of others what runs there?

Every ``.tflite`` file of a folder is read; printed are MACs beside what is published for the network,
and the arena of TFLite Micro planned from the operations beside the one that its own interpreter
reports. Each file is also converted to ONNX and read again: MACs, parameters and kinds of operations
must be the same. Goal: arena within 1 %.

    python benchmarks/readers.py FOLDER [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from edgenas.arch.graph import OpGraph
from edgenas.build.read_onnx import graph_from_onnx
from edgenas.build.read_tflite import float_operations, graph_from_tflite
from edgenas.captured import captured
from edgenas.cost.arena import plan_arena
from edgenas.environment import machine, versions

GOAL_SHARE = 0.01
PUBLISHED_MACS = {
    "pretrainedResnet": 12.5e6,
    "mcunet-320kb-1mb_imagenet": 81.8e6,
}
"""By the start of the file's name. ResNet-8 of MLPerf Tiny: this project's design notes; MCUNet: README of
github.com/mit-han-lab/mcunet, mcunet-320kB."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with .tflite files, looked for in all of it")
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    rows = [compare(path) for path in sorted(args.folder.rglob("*.tflite"))]
    ratios = [row["arena_ratio"] for row in rows if row["arena_ratio"] is not None]
    document = {
        "benchmark": "readers",
        "date": date.today().isoformat(),
        "files": len(rows),
        "arenas_compared": len(ratios),
        "arena_exact": sum(ratio == 1 for ratio in ratios),
        "arena_worst_share": max((abs(ratio - 1) for ratio in ratios), default=None),
        "same_in_onnx": sum(row["onnx"] == "same" for row in rows),
        "goal_met": bool(ratios) and all(abs(ratio - 1) <= GOAL_SHARE for ratio in ratios),
        "machine": machine(),
        "versions": versions(),
        "rows": rows,
    }
    show(document)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def compare(path: Path) -> dict[str, Any]:
    """What one file holds, by our reader and by others."""
    model = path.read_bytes()
    graph = graph_from_tflite(model)
    precision = "float32" if float_operations(model) else "int8"
    ours, theirs = plan_arena(graph, precision), reported_arena(model)
    return {
        "file": path.name,
        "precision": precision,
        "operations": len(graph.ops),
        "macs": graph.macs,
        "published_macs": next(
            (macs for name, macs in PUBLISHED_MACS.items() if path.name.startswith(name)), None
        ),
        "params": graph.params,
        "arena_bytes": ours.total_bytes,
        "tflite_micro_bytes": theirs[0] if theirs else None,
        "arena_ratio": ours.total_bytes / theirs[0] if theirs else None,
        "arena_head_bytes": ours.head_bytes,
        "tflite_micro_head_bytes": theirs[1] if theirs else None,
        "onnx": through_onnx(path, graph),
    }


def reported_arena(model: bytes) -> tuple[int, int] | None:
    """Total and head as TFLite Micro prints them, or None where it cannot run the file."""
    from edgenas.export.micro import measured_arena

    return measured_arena(model)


def through_onnx(path: Path, graph: OpGraph) -> str:
    """``same``, or in what the ONNX file of tf2onnx differs."""
    import tf2onnx

    logging.disable(logging.WARNING)
    with captured():
        model, _ = tf2onnx.convert.from_tflite(str(path), opset=17)
    read = graph_from_onnx(model.SerializeToString())
    kinds, others = (Counter((op.kind, op.activation) for op in each.ops) for each in (graph, read))
    differences = [f"{count} {kind} more" for (kind, _), count in (kinds - others).items()]
    differences += [f"{count} {kind} less" for (kind, _), count in (others - kinds).items()]
    if read.macs != graph.macs or read.stored_params != graph.stored_params:
        differences.append(f"{read.macs} MACs, {read.stored_params} parameters in ONNX")
    return ", ".join(differences) or "same"


def show(document: dict[str, Any]) -> None:
    print("| file | precision | MACs | published | arena | tflite_micro | ratio | in ONNX |")
    print("|---|---|---|---|---|---|---|---|")
    for row in document["rows"]:
        published = "" if row["published_macs"] is None else f"{row['published_macs']:,.0f}"
        theirs = ["cannot run it", ""]
        if row["arena_ratio"] is not None:
            theirs = [f"{row['tflite_micro_bytes']:,}", f"{row['arena_ratio']:.4f}"]
        print(
            f"| {row['file']} | {row['precision']} | {row['macs']:,} | {published} | "
            f"{row['arena_bytes']:,} | "
            f"{' | '.join(theirs)} | {row['onnx']} |"
        )
    print(f"arena exact in {document['arena_exact']} of {document['arenas_compared']}")


if __name__ == "__main__":
    main()
