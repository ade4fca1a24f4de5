"""``edgenas train``: the long training of one network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgenas.cli.words import names

HELP = "train one network for long, with a recipe of your own; export and test it"

DISTILL = 0.5
"""Weight of a teacher in the loss where only the teacher is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The network, the recipe, how often, where to."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="run folder, or a spec (or manifest) as .json with --data")
    add("--trial", metavar="ID", help="trial of the run (default: its most accurate winner)")
    add("--data", help="data for a spec, as of 'edgenas search'")
    add("--device", help="device for a spec (default: host)")
    add("--epochs", type=int, help="epochs (default: 100)")
    add("--optimizer", help="sgd or adamw (default: sgd)")
    add("--learning-rate", type=float, help="peak for batches of 128 (default: 0.15, adamw 0.004)")
    add("--batch-size", type=int, help="images a step (default: 128, fewer for small data)")
    add("--weight-decay", type=float, help="decay of kernels (default: 0)")
    add("--label-smoothing", type=float, help="share of each label spread over all classes (default: 0)")
    add("--ema", type=float, help="momentum of the average of weights (default: 0.999; 0: none)")
    add("--patience", type=int, help="epochs without progress before the end (0: to the end, last weights)")
    add("--shift", type=float, help="largest shift of images, share of a side (default: 0.083; 0: none)")
    add("--augment", type=names, metavar="A,B", help="what changes examples, as of 'edgenas search'")
    add("--class-weights", metavar="HOW", help="balanced: all classes weigh the same in the loss")
    add("--distill", type=names, metavar="A,B", help="teachers: 'best', trial ids or .keras files")
    add("--distill-weight", type=float, help=f"weight of the teachers in the loss (default: {DISTILL})")
    add("--temperature", type=float, help="by how much their answers are softened (default: 2)")
    add("--mixed-precision", action="store_true", default=None, help="calculate in float16, on a GPU only")
    add(
        "--schemes", type=names, metavar="A,B",
        help="compression schemes to try, e.g. int8,qat,int16x8 (default: full-int8)",
    )  # fmt: skip
    add("--seeds", type=int, default=1, help="trainings; mean and spread are told (default: 1)")
    add("--seed", type=int, help="seed of the first (default: the run's)")
    add("--workers", type=int, help="trainings at the same time (default: the run's)")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for a copy of the files; of a spec, the run folder",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train, or go on where the same command was stopped; return what came out.

    Raises:
        ConfigError: Settings that contradict each other or are out of range.
        StoreError: No such run or trial.
        EdgenasError: The training or the export failed.
    """
    from edgenas.cli.progress import RichListener
    from edgenas.long_training import GIVEN, train_trial

    folder, trial_id, out = args.run, args.trial, args.out
    _check_precision(args)
    if args.run.suffix == ".json":
        folder, trial_id, out = _begin(args), GIVEN, None
    elif args.data or args.device:
        raise _config_error(f"--data or --device was given, but the run {args.run} has its own; leave it")
    with RichListener() as listener:
        try:
            return train_trial(
                folder, trial_id or _best_winner(folder), lambda dataset, seed: _request(args, dataset, seed),
                listener, workers=args.workers, out=out,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Continue with the same command") from None


def _begin(args: argparse.Namespace) -> Path:
    """The run folder for a spec."""
    from edgenas.config import config_from
    from edgenas.long_training import begin_with_spec

    if args.out is None or args.trial is not None:
        raise _config_error(f"the spec {args.run} was given; it needs --out for a run folder, and no --trial")
    settings = {"data": args.data, "device": args.device or "host", "seed": args.seed or 0}
    begin_with_spec(args.run, config_from(settings), args.out)
    folder: Path = args.out
    return folder


def _best_winner(folder: Path) -> str:
    """The winner that is most accurate on validation."""
    from edgenas.report.run import read_run
    from edgenas.store import Store

    with Store.read(folder) as store:
        best = read_run(store).best
    if best is None:
        raise _config_error(f"{folder} has no winners yet; name a trial with --trial")
    return best.trial_id


def _request(args: argparse.Namespace, dataset: Any, seed: int) -> Any:
    """The long training that the options ask for."""
    from edgenas.data.load import balanced_weights
    from edgenas.train.augment import augmentations_for
    from edgenas.train.recipe import check_for_classes, long_recipe, optimizer_for
    from edgenas.winners.long import LongTraining

    given = (
        "optimizer", "learning_rate", "batch_size", "weight_decay", "label_smoothing", "ema", "patience",
        "shift", "temperature", "mixed_precision",
    )  # fmt: skip
    settings = {name: getattr(args, name) for name in given}
    weight = args.distill_weight if args.distill_weight is not None else DISTILL if args.distill else None
    if args.class_weights not in (None, "balanced"):
        raise _config_error(f"--class-weights {args.class_weights} was given; expected balanced")
    check_for_classes(
        dataset.task,
        {name: getattr(args, name) for name in ("class_weights", "label_smoothing", "distill")},
    )
    settings["optimizer"] = args.optimizer or optimizer_for(dataset.task.name)
    recipe = long_recipe(
        len(dataset.train),
        args.epochs,
        augment=augmentations_for(dataset.kind, args.augment, args.shift, dataset.task.name),
        class_weights=balanced_weights(dataset.train.y) if args.class_weights else None,
        distill=weight,
        seed=seed if args.seed is None else args.seed,
        **settings,
    )
    schemes = {"schemes": tuple(args.schemes)} if args.schemes else {}
    return LongTraining(recipe, args.seeds, args.distill or (), **schemes)


def _check_precision(args: argparse.Namespace) -> None:
    from edgenas.train.precision import gpu_here

    if args.mixed_precision and not gpu_here():
        raise _config_error("--mixed-precision was given, but there is no GPU here; leave it out")


def _config_error(words: str) -> Exception:
    from edgenas.errors import ConfigError

    return ConfigError(words)


def show(document: dict[str, Any]) -> None:
    """Print accuracies by seed, mean and spread, and where the files lie."""
    from edgenas.cli.summary import print_long_training

    print_long_training(document)
