"""What ``profile``, ``measure`` and ``sweep`` ask alike: device, the way to it, runtime, threads, care."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgenas.profile.protocol import Protocol
    from edgenas.profile.runner import Runner

BURSTS = 40
"""Of a careful measurement."""


def add_reach_arguments(parser: argparse.ArgumentParser, device: str | None = "host") -> None:
    """The device and the way to it.

    Args:
        device: The default device; None for that of the run that the command is about.
    """
    usual = device or "that of the run"
    parser.add_argument("--device", default=device, help=f"device id or TOML file (default: {usual})")
    parser.add_argument("--runtime", help="one of the device's runtimes (default: as the device says)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: 1)")
    parser.add_argument("--ssh", metavar="USER@HOST[:PORT]", help="measure on a Linux board over ssh")
    parser.add_argument(
        "--ssh-config", type=Path, metavar="FILE", help="ssh configuration instead of your own"
    )
    parser.add_argument("--python", default="python3", help="Python on the board (default: python3)")
    parser.add_argument(
        "--adb", metavar="SERIAL", help="measure on an Android phone, as 'adb devices' names it"
    )
    parser.add_argument("--benchmark-model", type=Path, metavar="PATH", help="Android's benchmark_model")
    parser.add_argument(
        "--address", help="Ray cluster whose node the board hangs on, auto or HOST:PORT (docs/distributed.md)"
    )
    parser.add_argument(
        "--board", metavar="NAME", help="board:NAME, as the node offers it (default: the device's id)"
    )


def add_spread_argument(parser: argparse.ArgumentParser) -> None:
    """How far a measurement may spread, for `careful`."""
    parser.add_argument(
        "--max-spread",
        type=float,
        default=0.10,
        metavar="SHARE",
        help="refuse a measurement that spreads further (default: 0.10)",
    )


def careful(args: argparse.Namespace, **settings: Any) -> Protocol:
    """More bursts than a sweep takes: a few models are soon measured, and their quantiles are wanted.

    Args:
        args: What `add_spread_argument` added.
        settings: Further shares of the protocol, by name.

    Raises:
        ConfigError: A share that is not a finite number above 0.
    """
    from edgenas.errors import ConfigError
    from edgenas.profile.protocol import Protocol

    settings["max_spread"] = args.max_spread
    for name, value in settings.items():
        if not 0 < value < float("inf"):
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} {value:g} was given; expected a finite number above 0")
    return replace(Protocol(bursts=BURSTS, rounds=10 * BURSTS), **settings)


def runner_of(
    args: argparse.Namespace, model: Path | None = None, protocol: Protocol | None = None
) -> Runner:
    """The runner that the arguments describe.

    Args:
        args: What `add_reach_arguments` added.
        model: A model file; without ``--runtime``, an .onnx file asks for onnxruntime.
        protocol: How to measure.

    Raises:
        UnknownNameError: No such device.
        UnsupportedError: The device does not have the runtime, or no runner reaches it.
        ConfigError: Two ways to the device, or half of one; a board of no cluster.
    """
    from edgenas.errors import ConfigError, UnsupportedError
    from edgenas.profile.device import load_device
    from edgenas.profile.runner import Route, runner_for

    device = load_device(args.device)
    runtime = args.runtime
    if runtime is None and model is not None and model.suffix == ".onnx":
        runtime = "onnxruntime"
    runtime = runtime or device.runtime
    if runtime not in device.runtimes:
        raise UnsupportedError(
            f"runtime '{runtime}' was asked for on device '{device.id}'; expected one of its runtimes: "
            f"{', '.join(device.runtimes)}"
        )
    route = Route(
        ssh=args.ssh,
        ssh_config=args.ssh_config,
        python=args.python,
        adb=args.adb,
        benchmark_model=args.benchmark_model,
    )
    device = replace(device, runtime=runtime)
    if args.address is not None:
        from edgenas.distribute import BoardRunner

        return BoardRunner(
            device, protocol, route=route, threads=args.threads, address=args.address, board=args.board
        )
    if args.board is not None:
        raise ConfigError(f"--board {args.board} was given without a cluster; add --address auto")
    return runner_for(device, protocol, route=route, threads=args.threads)
