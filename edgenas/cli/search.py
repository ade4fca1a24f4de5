"""``edgenas search``: the main job."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgenas.cli.words import names

HELP = "search networks for a data set and a device, end with verified TFLite and ONNX files and a report"

SEARCHERS = (
    "bayesian, front, gradient, gradient-binary, local-search, nsga2, one-shot, optuna, random, "
    "regularized-evolution, reinforce"
)
PROXIES = "grad_norm, naswot, params, synflow, zen"
INHERITED_SHARE = 0.5
EXECUTORS = "local, processes, ray"
_DOCUMENT_ONLY = {"verb", "json", "config", "tensorboard", "mlflow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The settings of `edgenas.config.RunConfig`; what is not given is taken from CONFIG.toml."""
    add = parser.add_argument
    add("config", nargs="?", type=Path, metavar="CONFIG.toml", help="settings; options on the line win")
    add_data_arguments(parser)
    add("--task", help="classification, regression or anomaly (default: what the data say)")
    add("--anomalous", type=names, metavar="A,B", help="classes that are anomalous, for --task anomaly")
    add("--loss", help="mse (default) or huber, for --task regression")
    add("--space", help="search space (default: micro)")
    add("--device", help="device the networks are for (default: host; see 'edgenas devices list')")
    add("--latency-ms", type=float, help="budget: milliseconds for one image")
    add("--ram-kib", type=float, help="budget: peak RAM (TFLite-Micro arena) in KiB")
    add("--flash-kib", type=float, help="budget: size of the .tflite file in KiB")
    add("--objectives", type=names, metavar="A,B", help="what is minimized, e.g. val_error,peak_ram_bytes")
    add("--searcher", help=f"search method: {SEARCHERS} (default: front)")
    add_savings(parser)
    add_supernet(parser)
    add("--warm-start", metavar="RUN", help="run folder to learn from, also of other data or another device")
    add(
        "--trials", type=int,
        help="candidates to train (default without --minutes: 30; gradient: 12; one-shot: 200)",
    )  # fmt: skip
    add("--minutes", type=float, help="time for everything: search, final trainings and files")
    add("--epochs", type=int, help="epochs per candidate")
    add("--images", type=int, help="training images per epoch of a candidate")
    add("--final-epochs", type=int, help="epochs of the final training of each winner")
    add(
        "--shift", type=float, help="largest shift of images in it, share of a side (default: 0.083; 0: none)"
    )
    add(
        "--schemes", type=names, metavar="A,B",
        help="compression schemes that winners are tried under, e.g. int8,qat,int16x8 (default: full-int8)",
    )  # fmt: skip
    add("--winners", type=int, help="candidates to train again and export (default: 5)")
    add("--seeds", type=int, help="trainings of each (default: 3, with --minutes what the time allows)")
    add("--workers", type=int, help="trainings at the same time (default: one a core, at most 4, 8 on a GPU)")
    add_executor(parser)
    add("--seed", type=int, help="seeds split, search and trainings (default: 0)")
    add("--out", help="run folder (default: a new one under runs/)")
    add_tracking(parser)


def add_savings(parser: argparse.ArgumentParser) -> None:
    """What trains candidates for less; docs/search.md."""
    add = parser.add_argument
    add("--halving", metavar="WHAT", help="short trainings first, cut in epochs, images or resolution")
    add("--stop-curves", action="store_true", default=None, help="stop trainings that cannot reach the front")
    add("--proxy", metavar="NAME", help=f"score without training that guides the search: {PROXIES}")
    add(
        "--inherit", metavar="SHARE", type=float, nargs="?", const=INHERITED_SHARE,
        help="children begin with their parents' weights and get this share of the epochs (0.5)",
    )  # fmt: skip


def add_supernet(parser: argparse.ArgumentParser) -> None:
    """Shared weights that score candidates; docs/one_shot.md."""
    add = parser.add_argument
    add("--supernet", metavar="RUN", help="run whose supernet scores candidates, or new to train one")
    add("--supernet-epochs", type=int, help="epochs of the supernet's training (default: 12 to 30)")
    add("--supernet-rate", type=float, help="peak learning rate of it (default: 0.15)")
    add("--supernet-frames", type=int, metavar="N", help="frames of its networks, 1 to 8 (default 1)")
    add("--supernet-shrinking", action="store_true", default=None, help="begin with its largest networks")
    add("--trust", type=int, help="networks trained alone to make and check scores by (default: 10)")


def add_tracking(parser: argparse.ArgumentParser) -> None:
    """Other tools that are told of trials; docs/watching.md."""
    add = parser.add_argument
    add("--tensorboard", metavar="DIR", help="folder for TensorBoard event files of the search")
    add("--mlflow", metavar="URI", help="MLflow server (or sqlite:///FILE) that is told of the search")


def add_executor(parser: argparse.ArgumentParser) -> None:
    """Where trainings run; a resumed run may go on elsewhere."""
    add = parser.add_argument
    add("--executor", help=f"where trainings run: {EXECUTORS} (default: local)")
    add("--address", help="Ray cluster, auto or HOST:PORT (default: a Ray of this machine's own)")
    add("--runtime-env", metavar="FILE", help="JSON file with a Ray runtime environment for the cluster")
    add("--cpus-per-trial", type=float, help="cores of one training, also a fraction")
    add("--gpus-per-trial", type=float, help="GPUs of one training, also a fraction (with --executor ray)")
    add("--trial-minutes", type=float, help="a candidate's training that takes longer fails")
    add("--trial-gib", type=float, help="a training that takes more memory than this fails")


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """What the data are and how they are read; docs/data.md explains each."""
    add = parser.add_argument
    add(
        "--data",
        help="digits, fashion-mnist, cifar10, tfds:NAME, an .npz or .csv file, or a folder of images or WAVs",
    )
    add("--kind", help="what arrays hold: image, series, features or audio (default: told by their axes)")
    add("--size", metavar="HxW", help="height and width that a folder of images is resized to")
    add(
        "--label", metavar="COLUMN", help="column of a .csv file with the labels (default: so named, or last)"
    )
    add("--missing", metavar="HOW", help="rows of a .csv file with missing values: refuse or drop")
    add("--corrupt", metavar="HOW", help="images and WAVs that cannot be read: refuse or skip")
    add("--sample-rate-hz", type=int, help="rate that WAVs are resampled to (default: theirs)")
    add("--clip-seconds", type=float, help="length that WAVs are filled up or cut to (default: most common)")
    add(
        "--memory-gib",
        type=float,
        help="folders that take more are read from disk (default: 4)",
    )
    add("--drop-duplicates", action="store_true", default=None, help="drop examples that stand in two splits")
    add("--class-weights", metavar="HOW", help="balanced: all classes weigh the same in the loss")
    add(
        "--augment", type=names, metavar="A,B",
        help="what changes examples in the final training: auto (default), none, or some of shift, flip, "
        "cutout, mixup; time-shift, masks, noise; jitter, scaling, time-warp",
    )  # fmt: skip


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run it and return the run's summary."""
    from edgenas.cli.progress import RichListener
    from edgenas.config import config_from, read_config
    from edgenas.pipeline import free_folder, start
    from edgenas.tracking import tracked

    settings = read_config(args.config) if args.config else {}
    given = {name: value for name, value in vars(args).items() if name not in _DOCUMENT_ONLY}
    settings.update({name: value for name, value in given.items() if value is not None})
    config = config_from(settings)
    if args.tensorboard or args.mlflow:  # the folder names the run there
        config = config.changed(out=config.out or str(free_folder(config)))
    out = Path(config.out or ".")
    with RichListener() as listener, tracked(listener, out, args.tensorboard, args.mlflow) as told:
        folder = start(config, told)
        summary = summary_of(folder)
        told.run_ended(summary)
    return summary


def summary_of(folder: Path) -> dict[str, Any]:
    """The summary document of a run folder."""
    from edgenas.report import summarize
    from edgenas.store import Store

    with Store.read(folder) as store:
        return summarize(store)


def show(document: dict[str, Any]) -> None:
    """Print winners and where everything lies."""
    from edgenas.cli.summary import print_summary

    print_summary(document)
