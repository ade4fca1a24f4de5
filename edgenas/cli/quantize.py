"""``edgenas quantize``: a Keras model of your own, compressed, exported and proven."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgenas.cli.words import names

HELP = "compress, export and verify a Keras model of your own under one or more schemes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, its data, the schemes and where the files go."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help=".keras or HDF5 file, or a SavedModel folder")
    add("--data", required=True, help="data set it was trained on, as for 'edgenas search'")
    add(
        "--scheme", type=names, default=("full-int8",), metavar="S[,S...]",
        help="schemes to try, e.g. int8,qat,int16x8 (default: full-int8; docs/quantization.md has all)",
    )  # fmt: skip
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the bundle")
    add("--device", default="host", help="device that the files are for (default: host)")
    add("--input-range", type=_range, default=(0.0, 1.0), metavar="LOW,HIGH",
        help="values the network reads for the darkest and brightest pixel (default: 0,1)")  # fmt: skip
    add("--images", type=int, help="images that a training scheme sees (default: 120000)")
    add("--sensitivity", action="store_true", help="say what each layer costs in int8")
    add("--seed", type=int, default=0, help="seeds split and trainings (default: 0)")


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} was given; expected LOW,HIGH such as 0,255") from None
    if not low < high:
        raise argparse.ArgumentTypeError(f"{text!r} was given; expected LOW below HIGH")
    return low, high


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the bundle and return its manifest with the folder.

    Raises:
        UsageError: No such model, data, scheme or device, or they do not fit each other.
        ParityError: A file does not agree with its Keras model.
    """
    from edgenas.captured import captured
    from edgenas.data.load import load_dataset
    from edgenas.profile.device import load_device
    from edgenas.profile.scheme_latency import scheme_latency
    from edgenas.profile.sources import cost_source
    from edgenas.quantize.scheme import TUNING_IMAGES

    device = load_device(args.device)
    with captured():  # TensorFlow greets on standard error
        from edgenas.export.own_model import open_model, quantize_model
        from edgenas.export.schemes import SchemePlan

    plan = SchemePlan(
        schemes=args.scheme,
        runtime=device.runtime,
        latency=scheme_latency(device),
        images=TUNING_IMAGES if args.images is None else args.images,
        seed=args.seed,
        keep_all=True,
        sensitivity=args.sensitivity,
    )
    plan.check(device.id)
    dataset = load_dataset(args.data, seed=args.seed)
    own = open_model(args.model, dataset, args.input_range)
    manifest = quantize_model(own, args.out, plan, cost_source(device))
    return {"folder": str(args.out), "device": device.id, **manifest.to_json()}


def show(document: Mapping[str, Any]) -> None:
    """Print the schemes side by side, and where the files are."""
    from edgenas.cli.schemes import print_schemes

    print_schemes(document)
