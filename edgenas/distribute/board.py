"""Boards as resources of a Ray cluster: the node that a board hangs on offers it, a measurement takes it.

A node offers a board when it joins the cluster, as one of Ray's own resources::

    ray start --address HEAD:6379 --num-cpus 0 --resources '{"board:raspberry-pi-4": 1}'

A measurement is a task that asks for it, so Ray runs it on that node and lets all others wait until the
board is free, whoever asks: a profile, a sweep, another user's. What happens on the node is what the
runner of the device (`edgenas.profile.runner`) does there: over ssh, over adb, or on the node itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from edgenas.distribute.executor import Allotment
from edgenas.distribute.ray_cluster import connect, import_ray, node_errors
from edgenas.errors import ConfigError, EdgenasError, MeasurementError, UnsupportedError, WorkerLostError
from edgenas.profile.device import Device
from edgenas.profile.protocol import Measurement, Protocol
from edgenas.profile.runner import ATTEMPTS, RUNNERS, Route, Runner, runner_for

PREFIX = "board:"
POLL_SECONDS = 2.0
"""How often a measurement that waits for its board sees whether a node still offers it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A board held for one measurement.

    Attributes:
        node: Ray's id of the node.
        began: When, in seconds since the epoch by the node's clock.
        ended: Until when.
    """

    node: str
    began: float
    ended: float


class BoardRunner(Runner):
    """Measures on a board of a Ray cluster, one measurement at a time whoever asks.

    The cluster is connected to at the first measurement and left by `close`.

    Args:
        device: What to measure on, with `Device.runtime`.
        protocol: How; see `edgenas.profile.protocol`.
        route: The way from the node to the board; without ``ssh`` and ``adb`` the node itself is the board.
        threads: Threads of the runtime.
        address: Of the cluster, ``auto`` or ``HOST:PORT``.
        board: Name that the node offers it under, as ``board:NAME``; None for the device's id.

    Attributes:
        visits: The measurements so far.
    """

    def __init__(
        self,
        device: Device,
        protocol: Protocol | None = None,
        *,
        route: Route | None = None,
        threads: int = 1,
        address: str = "auto",
        board: str | None = None,
    ) -> None:
        super().__init__(device, protocol, route=route, threads=threads)
        self.address = address
        self.resource = PREFIX + (board or device.id)
        self.visits: list[Visit] = []
        self._ray: Any = None
        self._connected_here = False

    @classmethod
    def reaches(cls, device: Device, route: Route) -> bool:
        """Whether a runner on the node does."""
        import edgenas.profile.runners  # noqa: F401 - registers them

        there = _on_the_node(device, route)
        return any(RUNNERS.get(name).reaches(there, route) for name in RUNNERS.names())

    def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
        """Measure models in turns, in one hold on the board.

        Raises:
            UnsupportedError: A model that the runtime cannot load, or a runtime that the node does not have.
            ConfigError: No cluster answers, or no node of it offers the board.
            MeasurementError: The board cannot be reached from its node, or the node was lost.
        """
        found: list[Measurement | None]
        found, self.refusal = self._ask("measure_batch", list(models))
        return found

    def machine(self) -> dict[str, Any]:
        """The board, as the runner on the node tells it."""
        return dict(self._ask("machine")[0])

    def governor(self) -> str | None:
        """The clock governor of the board."""
        governor: str | None = self._ask("governor")[0]
        return governor

    def close(self) -> None:
        """Leave the cluster, unless this process was in it before."""
        if self._ray is not None and self._connected_here:
            self._ray.shutdown()
        self._ray = None

    def _ask(self, question: str, *arguments: Any) -> Any:
        """What a method of the runner on the node returns, and its `Runner.refusal`."""
        self._connect()
        self._find_board(ConfigError)
        for _ in range(ATTEMPTS):
            try:
                visit, answer = self._visit(question, arguments)
            except WorkerLostError:
                continue  # on this node or on another one that offers the board
            self.visits.append(visit)
            if isinstance(answer, EdgenasError):
                raise answer
            return answer
        raise MeasurementError(
            f"{self.resource}: the process that measured was lost {ATTEMPTS} times; see Ray's logs on the "
            "node, then run the command again"
        )

    def _connect(self) -> None:
        if self._ray is None:
            ray = import_ray()
            self._connected_here = not ray.is_initialized()
            self._ray = connect(Allotment(address=self.address)) if self._connected_here else ray

    def _find_board(self, kind: type[EdgenasError]) -> None:
        """Refuse a board that no node offers, or that a node offers more than once."""
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        offers = [node for node in alive if node["Resources"].get(self.resource)]
        if not offers:
            others = sorted({name for node in alive for name in node["Resources"] if name.startswith(PREFIX)})
            mend = f"""ray start --address HOST:PORT --num-cpus 0 --resources '{{"{self.resource}": 1}}'"""
            raise kind(
                f"no node of the cluster at {self.address} offers {self.resource} (boards offered: "
                f"{', '.join(others) or 'none'}); run on the node that the board hangs on: {mend}"
            )
        for node in offers:
            if (amount := node["Resources"][self.resource]) != 1:
                raise ConfigError(
                    f"node {node['NodeManagerHostname']} offers {amount:g} {self.resource}; expected 1, as "
                    "one board measures one model at a time: offer each board under a name of its own"
                )

    def _visit(self, question: str, arguments: tuple[Any, ...]) -> tuple[Visit, Any]:
        task = self._ray.remote(visit).options(num_cpus=0, resources={self.resource: 1}, max_retries=0)
        there = _on_the_node(self.device, self.route)
        asked = task.remote(there, self.protocol, self.route, self.threads, question, arguments)
        try:
            while not self._ray.wait([asked], timeout=POLL_SECONDS)[0]:
                self._find_board(MeasurementError)
            with node_errors(self._ray, "measure"):
                answer: tuple[Visit, Any] = self._ray.get(asked)
        except BaseException:
            with suppress(Exception):  # it has ended, or its node is gone
                self._ray.cancel(asked, force=True)
            raise
        return answer


def visit(
    device: Device,
    protocol: Protocol,
    route: Route,
    threads: int,
    question: str,
    arguments: tuple[Any, ...],
) -> tuple[Visit, Any]:
    """Ask the runner of a device something, on the node that the device hangs on.

    Returns:
        When the board was held, and (answer, `Runner.refusal`), or the EdgenasError that it ended with.
    """
    import ray

    began = time.time()
    runner = runner_for(device, protocol, route=route, threads=threads)
    answer: Any
    try:
        answer = getattr(runner, question)(*arguments), runner.refusal
    except EdgenasError as error:
        answer = error
    except ImportError as error:
        answer = UnsupportedError(f"runtime '{device.runtime}' is not installed on the board's node: {error}")
    finally:
        runner.close()  # the next one at the board may be another user's
    return Visit(ray.get_runtime_context().get_node_id(), began, time.time()), answer


def _on_the_node(device: Device, route: Route) -> Device:
    """The device as its node sees it: without a way elsewhere the node itself is the board."""
    return replace(device, id="host") if route.is_local else device
