"""The benchmark on a table: its networks, its score, its peers, and its command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.errors import UnknownNameError, UsageError
from tests.search.made_up import made_up_problem, write_table

from tabular import needs  # isort: skip
from tabular_peers import run_peer  # isort: skip
from tabular_space import NAMES, CellGraph, CellSpace, Table, TableProblem  # isort: skip

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "tabular.py"
NONE, SKIP, CONV1, CONV3, POOL = range(5)


@pytest.fixture(scope="module")
def problem() -> TableProblem:
    return made_up_problem()


def test_the_largest_cell_has_the_published_number_of_macs() -> None:
    """NAS-Bench-201 states 220.12 M for six 3x3 convolutions in each cell."""
    assert CellGraph((CONV3,) * 6).macs == pytest.approx(220.12e6, rel=0.005)


def test_edges_that_carry_nothing_are_left_out() -> None:
    one_path = CellGraph((NONE, NONE, NONE, CONV3, NONE, NONE))
    dead_end = CellGraph((CONV3, NONE, NONE, CONV3, NONE, NONE))
    no_source = CellGraph((NONE, NONE, CONV3, CONV3, NONE, POOL))
    kinds = [(op.kind, op.in_shape, op.inputs) for op in one_path.ops]
    assert [(op.kind, op.in_shape, op.inputs) for op in dead_end.ops] == kinds
    assert [(op.kind, op.in_shape, op.inputs) for op in no_source.ops] == kinds


def test_a_cell_that_passes_nothing_on_is_a_head_alone() -> None:
    assert [op.kind for op in CellGraph((CONV3, NONE, NONE, NONE, NONE, NONE)).ops] == [
        "global_avg_pool",
        "dense",
    ]


def test_a_skip_adds_a_tensor_without_an_operation() -> None:
    joined = (
        CellGraph((NONE, NONE, NONE, CONV1, NONE, NONE)),
        CellGraph((SKIP, NONE, NONE, CONV1, SKIP, NONE)),
    )
    without, with_skip = ([op.kind for op in graph.ops] for graph in joined)
    assert with_skip.count("add") == without.count("add") + 15
    assert with_skip.count("conv2d") == without.count("conv2d")


def test_a_candidate_has_the_latency_of_its_row(problem: TableProblem) -> None:
    spec = problem.problem.space.sample(np.random.default_rng(1))
    candidate = problem.problem.candidate(spec)
    row = problem.row(spec)
    assert candidate.cost.latency_ms == problem.table.latency_ms[row]
    assert problem.point(candidate) == (problem.table.val_error[row], problem.table.latency_ms[row])


def test_the_score_is_the_share_of_the_exact_front(problem: TableProblem) -> None:
    table = problem.table
    everything = range(len(table.ops))
    assert problem.share(everything) == pytest.approx(1.0)
    assert problem.share([]) == 0.0
    best, fastest = int(table.test_error.argmin()), int(table.latency_ms.argmin())
    assert problem.share([best, fastest]) >= problem.share([best])
    worse_than_90_in_100 = int(table.test_error.argmax())
    assert problem.share([worse_than_90_in_100]) == 0.0


def test_the_score_is_an_area_in_the_unit_square(problem: TableProblem) -> None:
    table, row = problem.table, 9_999
    worst = np.percentile(table.test_error, 90)
    width = (worst - table.test_error[row]) / (worst - table.test_error.min())
    height = (table.latency_ms.max() - table.latency_ms[row]) / np.ptp(table.latency_ms)
    other = 12_345
    other_width = (worst - table.test_error[other]) / (worst - table.test_error.min())
    other_height = (table.latency_ms.max() - table.latency_ms[other]) / np.ptp(table.latency_ms)
    ratio = max(width, 0) * height / (other_width * other_height)
    assert problem.share([row]) / problem.share([other]) == pytest.approx(ratio)


def test_random_as_a_peer_trains_each_cell_once(problem: TableProblem) -> None:
    rows = run_peer("random", problem, 30, seed=2)
    assert len(rows) == len(set(rows)) == 30
    assert rows == run_peer("random", problem, 30, seed=2) != run_peer("random", problem, 30, seed=3)


def test_a_peer_that_is_not_installed_names_the_extra(
    problem: TableProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"edgenas\[peers\]"):
        run_peer("optuna-tpe", problem, 5, seed=0)


def test_unknown_columns_and_devices_are_named(tmp_path: Path) -> None:
    write_table(tmp_path / "table.npz")
    with pytest.raises(UnknownNameError, match="did you mean 'made-up'"):
        Table.load(tmp_path / "table.npz", "toy", "madeup")
    with pytest.raises(UnknownNameError, match="toys_valid_e12"):
        Table.load(tmp_path / "table.npz", "toys", "slow")


def test_the_space_asks_one_choice_an_edge() -> None:
    assert set(CellSpace().names) == set(NAMES)


def test_what_a_peer_needs_is_the_first_training_as_good() -> None:
    ours, peer = np.linspace(0.5, 1.0, 100), np.linspace(0.4, 0.8, 100)
    assert needs(peer, ours) == {"50": int(np.flatnonzero(peer >= ours[49])[0]) + 1, "100": None}


def run(*words: object) -> subprocess.CompletedProcess[str]:
    root = SCRIPT.parents[1]
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    environment = {"PYTHONPATH": str(root), "PATH": "", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=environment, cwd=root
    )


def test_the_command_prints_a_table_and_writes_the_figures(tmp_path: Path) -> None:
    write_table(tmp_path / "table.npz")
    done = run(
        "--table", tmp_path / "table.npz", "--dataset", "toy", "--device", "made-up", "slow",
        "--searchers", "front", "random", "--peers", "random",
        "--budgets", 24, 12, "--seeds", 2, "--json", tmp_path / "out" / "figures.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert document["budgets"] == [12, 24]
    methods = document["devices"]["made-up"]
    assert set(methods) == {"front", "random", "random (peer)"}
    assert methods["random (peer)"]["peer"] and not methods["front"]["peer"]
    for entry in methods.values():
        assert all(early <= late for early, late in entry["runs"])
        assert entry["mean"] == pytest.approx(np.mean(entry["runs"], axis=0), abs=1e-4)
    assert methods["front"]["mean"][1] > methods["random (peer)"]["mean"][1]
    assert methods["random (peer)"]["needs"] == {}  # compared at 50 and 100, which were not run
    assert set(document["mean_over_devices"]) == set(methods)
    assert "mean over devices" in done.stdout


def test_a_wrong_device_ends_with_code_2(tmp_path: Path) -> None:
    write_table(tmp_path / "table.npz")
    done = run("--table", tmp_path / "table.npz", "--dataset", "toy", "--device", "fast")
    assert done.returncode == 2
    assert "unknown device 'fast'" in done.stderr
