"""Training-free proxies, one a file; importing this package registers them (docs/proxies.md)."""

from edgenas.oneshot.proxies import grad_norm, macs, naswot, params, synflow, zen
from edgenas.oneshot.proxies.job import LAST, ProxyJob, read_scores
from edgenas.oneshot.proxies.proxy import BASELINES, BATCH, PROXIES, Probe, Proxy

__all__ = [
    "BASELINES",
    "BATCH",
    "LAST",
    "PROXIES",
    "Probe",
    "Proxy",
    "ProxyJob",
    "grad_norm",
    "macs",
    "naswot",
    "params",
    "read_scores",
    "synflow",
    "zen",
]
