"""One Ray cluster of three raylets on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Any]:
    """A head without cores and two nodes of one core each, the second with a GPU by name only."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1, num_gpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def cluster(shared_cluster: Any) -> Iterator[Any]:
    """The cluster of all files; nodes that the tests of one of them added are gone before the next."""
    own = set(shared_cluster.worker_nodes)
    yield shared_cluster
    for node in set(shared_cluster.worker_nodes) - own:
        shared_cluster.remove_node(node)
    shared_cluster.wait_for_nodes()
