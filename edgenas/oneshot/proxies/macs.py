"""Multiply-accumulate operations: a plain baseline that the other proxies are compared with."""

from __future__ import annotations

from edgenas.oneshot.proxies.proxy import PROXIES, Probe, Proxy


class MacsProxy(Proxy):
    """Multiply-accumulate operations of a network: larger ones are usually more accurate."""

    needs_model = False
    sees_data = False

    def score(self, probe: Probe) -> float:
        """Their number."""
        return float(probe.graph.macs)


PROXIES.register("macs")(MacsProxy())
