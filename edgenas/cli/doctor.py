"""``edgenas doctor``: what works on this machine and what does not."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

HELP = "show versions, accelerators, data sets and optional parts: what works here and what does not"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Check everything; the exit code is 1 if a part that the main job needs does not work."""
    from edgenas.environment import machine, versions

    checks = [_check(name, needed, probe) for name, needed, probe in PROBES]
    healthy = all(check["works"] for check in checks if check["needed"])
    return {
        "machine": machine(),
        "versions": versions(),
        "checks": checks,
        "healthy": healthy,
        "exit_code": 0 if healthy else 1,
    }


def _check(name: str, needed: bool, probe: Callable[[], str]) -> dict[str, Any]:
    from edgenas.captured import captured

    try:
        with captured():  # frameworks greet on standard error
            detail = probe()
        return {"name": name, "needed": needed, "works": True, "detail": detail}
    except Exception as error:  # a probe may fail in any way; that is what is asked
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        return {"name": name, "needed": needed, "works": False, "detail": first}


def _training() -> str:
    import keras

    return f"Keras {keras.__version__} on {keras.backend.backend()}"


def _accelerators() -> str:
    """Names of the GPUs that Keras's backend sees."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        names = [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    elif backend == "torch":
        import torch

        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    else:
        import tensorflow

        names = [device.name for device in tensorflow.config.list_physical_devices("GPU")]
    if not names:
        raise RuntimeError("no GPU; trainings use the CPU")
    return ", ".join(names)


def _litert() -> str:
    from ai_edge_litert.interpreter import Interpreter

    return f"{Interpreter.__module__} imports"


def _onnx() -> str:
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}: {', '.join(onnxruntime.get_available_providers())}"


def _tflite_micro() -> str:
    from tflite_micro import runtime

    return f"{runtime.__name__} imports; artifacts are also run on TFLite-Micro's own interpreter"


def _host_table() -> str:
    from edgenas.errors import MeasurementError
    from edgenas.profile.device import load_device
    from edgenas.profile.sources import table_state

    state = table_state(load_device("host"))
    if not state.fits:
        raise MeasurementError(state.note)
    return state.note


def _fashion_mnist() -> str:
    from edgenas.data.named import DEBIAN_FASHION_MNIST

    if not DEBIAN_FASHION_MNIST.is_dir():
        raise FileNotFoundError("not on this machine; keras.datasets fetches it when it is first used")
    return _dataset("fashion-mnist")()


def _dataset(name: str) -> Callable[[], str]:
    def probe() -> str:
        from edgenas.data.load import load_dataset

        data = load_dataset(name)
        return f"{len(data.train)} + {len(data.validation)} + {len(data.test)} images of {data.input_shape}"

    return probe


PROBES: tuple[tuple[str, bool, Callable[[], str]], ...] = (
    ("training", True, _training),
    ("LiteRT", True, _litert),
    ("ONNX Runtime", True, _onnx),
    ("data set digits", True, _dataset("digits")),
    ("data set fashion-mnist", False, _fashion_mnist),
    ("latency table of host", False, _host_table),
    ("GPU", False, _accelerators),
    ("TFLite-Micro", False, _tflite_micro),
)


def show(document: dict[str, Any]) -> None:
    """Print one line a check."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    machine = document["machine"]
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    )
    for check in document["checks"]:
        mark = (
            "[green]works  [/]"
            if check["works"]
            else "[red]broken [/]"
            if check["needed"]
            else "[yellow]without[/]"
        )
        console.print(f"  {mark} {check['name']}: {escape(check['detail'])}", soft_wrap=True)
    known = [f"{name} {version}" for name, version in document["versions"].items() if version]
    console.print(", ".join(known), soft_wrap=True)
