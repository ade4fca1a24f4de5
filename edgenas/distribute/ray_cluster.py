"""The way to a Ray cluster: connect or say why not, compare versions, refuse what no node has."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import edgenas
from edgenas.captured import captured
from edgenas.distribute.executor import Allotment
from edgenas.distribute.ray_node import differences, training_versions
from edgenas.environment import cores
from edgenas.errors import ConfigError, EdgenasError, WorkerLostError

CONNECT_SECONDS = 5.0
OBJECT_STORE_BYTES = 512 * 2**20
"""Of a Ray that is started on this machine; data beyond it Ray keeps on disk."""


def import_ray() -> Any:
    """The package Ray.

    Raises:
        ConfigError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "--executor ray was given and Ray is not installed; pip install 'edgenas[ray]'"
        ) from None
    return ray


def connect(allotment: Allotment) -> Any:
    """Ray, connected to the cluster of an address, or started on this machine.

    Raises:
        ConfigError: No cluster answers there, or it runs another Python or Ray.
    """
    ray = import_ray()
    environment = runtime_environment(allotment)
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    if allotment.address is None:
        options: dict[str, Any] = {
            "address": "local", "num_cpus": cores(), "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }  # fmt: skip
    else:
        _refuse_silence(allotment.address)
        options = {"address": allotment.address}
    try:
        with captured():
            ray.init(**options, **quiet, runtime_env=environment, namespace="edgenas")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ConfigError(_no_cluster(allotment.address, error)) from None
    _hush()
    return ray


def _hush() -> None:
    """Keep what Ray says of workers that died off standard output; a run tells of them itself."""
    from ray._private import worker

    worker._worker_logs_enabled = False


def _refuse_silence(address: str) -> None:
    """Refuse an address at which nobody listens, before Ray waits for a minute."""
    if address.startswith("ray://"):
        raise ConfigError(
            f"--address {address} was given; edgenas streams results, which Ray's client does not: start the "
            "search on a node of the cluster (or with 'ray job submit') and give --address auto"
        )
    host, colon, port = address.rpartition(":")
    if address == "auto":
        return
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"--address {address} was given; expected auto or HOST:PORT, such as 10.0.0.5:6379")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise ConfigError(
            f"--address {address}: nobody answers there ({error.strerror or error}); start a cluster with "
            "'ray start --head' or mend the address"
        ) from None


def _no_cluster(address: str | None, error: Exception) -> str:
    text = str(error)
    if "ersion mismatch" in text:
        versions = re.findall(r"(Ray|Python): ([\w.]+)", text)
        found = ", ".join(f"{name} {version}" for name, version in versions[:2])
        own = ", ".join(f"{name} {version}" for name, version in versions[2:4])
        return f"the cluster at {address} runs {found}, this search {own}; use the same versions on both"
    first = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
    if address is None:
        return f"Ray cannot be started on this machine: {first}"
    return f"--address {address}: no Ray cluster answers there ({first}); 'ray start --head' starts one"


def runtime_environment(allotment: Allotment) -> dict[str, Any]:
    """What Ray brings to each node: the user's document, and edgenas itself if there is a cluster.

    Raises:
        ConfigError: The document cannot be read.
    """
    environment: dict[str, Any] = {}
    if allotment.runtime_env is not None:
        try:
            environment = json.loads(Path(allotment.runtime_env).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--runtime-env {allotment.runtime_env} cannot be read ({error}); expected a JSON "
                "file with a runtime environment of Ray's"
            ) from None
        if not isinstance(environment, dict):
            raise ConfigError(f"--runtime-env {allotment.runtime_env} holds no document; expected {{...}}")
    if allotment.address is not None:
        own = str(Path(edgenas.__file__).parent)
        environment["py_modules"] = [own, *environment.get("py_modules", [])]
        environment.setdefault("excludes", ["**/__pycache__", "_devices", "_latency_tables"])
    return environment


def check_nodes(ray: Any, allotment: Allotment) -> None:
    """Make sure that a trial fits on a node, and that each node has the versions of this process.

    Raises:
        ConfigError: Neither is so; the message names the node.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    needed = needs(allotment)
    if not any(_fits(node["Resources"], needed) for node in alive):
        has = "; ".join(f"{node['NodeManagerHostname']}: {_amounts(node['Resources'])}" for node in alive)
        raise ConfigError(f"a trial needs {_amounts(needed)}, and no node has that ({has})")
    expected = training_versions()
    for node, found in _versions_by_node(ray, alive).items():
        if different := differences(expected, found):
            raise ConfigError(
                f"node {node} has {different}; results would depend on where a trial ran: use the same "
                "versions on all nodes, or have Ray install them with --runtime-env"
            )


def needs(allotment: Allotment) -> dict[str, float]:
    """Ray's resources of one training."""
    needed = {"CPU": allotment.cpus or 1.0}
    if allotment.gpus:
        needed["GPU"] = allotment.gpus
    if allotment.memory_gib:
        needed["memory"] = allotment.memory_gib * 2**30
    return needed


def room(ray: Any, allotment: Allotment) -> int:
    """How many trainings fit into a cluster at the same time."""
    needed = needs(allotment)
    return sum(
        int(min(node["Resources"].get(name, 0.0) / amount for name, amount in needed.items()))
        for node in ray.nodes()
        if node["Alive"]
    )


def _fits(resources: Mapping[str, float], needed: Mapping[str, float]) -> bool:
    return all(resources.get(name, 0.0) >= amount for name, amount in needed.items())


def _amounts(resources: Mapping[str, float]) -> str:
    named = {"CPU": "CPU", "GPU": "GPU"}
    parts = [f"{resources.get(name, 0.0):g} {word}" for name, word in named.items()]
    return ", ".join([*parts, f"{resources.get('memory', 0.0) / 2**30:.1f} GiB"])


def _versions_by_node(ray: Any, nodes: list[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = {}
    for node in nodes:
        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = ray.remote(training_versions).options(num_cpus=0, scheduling_strategy=here)
        asked[f"{node['NodeManagerHostname']} ({node['NodeID'][:8]})"] = task.remote()
    found: dict[str, dict[str, str]] = {}
    for name, answer in asked.items():
        with suppress(ray.exceptions.RayError):  # a node that died meanwhile trains nothing
            found[name] = ray.get(answer)
    return found


@contextmanager
def node_errors(ray: Any, verb: str) -> Iterator[None]:
    """Tell Ray's errors apart while a task is waited for.

    Args:
        verb: What the node was to do, for the message.

    Raises:
        WorkerLostError: Its worker or node was lost.
        ConfigError: Its environment could not be set up.
        EdgenasError: The task itself failed.
    """
    errors = ray.exceptions
    try:
        yield
    except errors.OutOfMemoryError:
        raise WorkerLostError("Ray ended the task, as its node was out of memory") from None
    except (errors.RuntimeEnvSetupError, errors.TaskUnschedulableError) as error:
        raise ConfigError(f"Ray cannot run a task: {_first_line(error)}") from None
    except errors.RayTaskError as error:
        cause = getattr(error, "cause", error)
        raise EdgenasError(f"a node cannot {verb}: {type(cause).__name__}: {_first_line(cause)}") from None
    except errors.RayError as error:
        raise WorkerLostError(f"worker lost: {type(error).__name__}") from None


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
