"""A device calibrated from few measurements predicts better, says how well, and what to measure next."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch import SPACES, OpGraph
from edgenas.arch.spec import ArchSpec
from edgenas.cli import devices, estimate
from edgenas.cost.adapting import measurements_needed
from edgenas.cost.kernel_features import NAMES, Floats, network_features
from edgenas.cost.predictor import Predictor
from edgenas.cost.table import table_path
from edgenas.errors import ConfigError, UnsupportedError
from edgenas.profile.calibrate import calibrate, candidates, propose
from edgenas.profile.device import load_device
from edgenas.profile.sources import read_filed
from edgenas.profile.synthesize import synthesize

SPACE = SPACES.get("micro")((32, 32, 3), 10)
BOARD, RUNTIME = "stm32f769i-disco", "x-cube-ai"


def specs(count: int, seed: int = 3) -> list[ArchSpec]:
    return [SPACE.sample(np.random.default_rng((seed, k))) for k in range(count)]


def truth_ms(graph: OpGraph, wobble: float = 0.0) -> float:
    """A board unlike any known: its flash is slow, its depthwise kernels are twice as slow."""
    known = read_filed(table_path("nucleo-h7a3zi-q", RUNTIME))
    assert isinstance(known, Predictor)
    log_cycles = known.kernels.log_cycles + 0.6
    log_cycles[NAMES.index("depthwise_mac")] += np.log(1.6)
    return float(np.exp(log_cycles) @ network_features(graph)) / 216e3 * (1 + wobble)


def measured(count: int) -> list[tuple[str, OpGraph, float]]:
    rng = np.random.default_rng(1)
    graphs = [spec.graph() for spec in specs(count)]
    return [(f"n{place}", graph, truth_ms(graph, 0.02 * rng.normal())) for place, graph in enumerate(graphs)]


def errors_on_unseen(predictor: Predictor) -> Floats:
    graphs = [spec.graph() for spec in specs(20, seed=8)]
    counts = np.array([network_features(graph) for graph in graphs])
    found, _ = predictor.latency_ms(counts, np.array([graph.macs for graph in graphs]))
    return np.asarray(np.abs(found / [truth_ms(graph) for graph in graphs] - 1))


def test_measurements_make_a_better_and_surer_predictor() -> None:
    device = load_device(BOARD)
    pool = [spec.graph() for spec in specs(30, seed=5)]
    few, many = (calibrate(device, RUNTIME, measured(n), pool) for n in (3, 12))
    assert np.mean(np.abs(few.before)) > 0.1 > np.mean(np.abs(few.after))
    assert errors_on_unseen(many.predictor).mean() < 0.05 and errors_on_unseen(few.predictor).mean() < 0.1
    assert many.half_width < few.half_width
    assert few.nearest.endswith("/x-cube-ai") and "adapted to 3 networks" in few.predictor.how
    assert (many.predictor.device, many.predictor.clock_mhz) == (BOARD, 216)


def test_how_many_more_falls_with_what_is_measured_and_ends_at_none() -> None:
    found = calibrate(load_device(BOARD), RUNTIME, measured(6))
    counts = np.array([network_features(spec.graph()) for spec in specs(10, seed=6)])
    wide, narrow = (measurements_needed(found.predictor, [0.3] * 6, counts, width) for width in (0.3, 0.12))
    assert wide == 0 and narrow is not None and 0 < narrow <= 50
    assert measurements_needed(found.predictor, [0.3] * 6, counts, 0.001) is None


def test_what_to_measure_next_is_chosen_for_the_interval() -> None:
    found = calibrate(load_device(BOARD), RUNTIME, measured(2))
    graphs = [spec.graph() for spec in candidates(SPACE)]
    chosen = propose(found, graphs, 4)
    assert len(set(chosen)) == 4 and chosen == propose(found, graphs, 4)

    def width(places: list[int]) -> float:
        rows = measured(2) + [(f"c{place}", graphs[place], truth_ms(graphs[place])) for place in places]
        kernels = calibrate(load_device(BOARD), RUNTIME, rows).predictor.kernels
        spread = kernels.predict(np.array([network_features(graph) for graph in graphs]))[1]
        return float(spread.mean())

    rng = np.random.default_rng(0)
    others = [width(list(rng.choice(len(graphs), 4, replace=False))) for _ in range(6)]
    assert width(chosen) < np.median(others)


def test_a_runtime_nobody_measured_starts_from_another_and_says_so() -> None:
    device = load_device(BOARD)
    rows = [(name, graph, 20 * ms) for name, graph, ms in measured(5)]
    found = calibrate(device, "tflite-micro-cmsis-nn", rows)
    assert not found.nearest.endswith("cmsis-nn")
    assert np.mean(np.abs(found.after)) < 0.5 * np.mean(np.abs(found.before))
    known = calibrate(device, RUNTIME, measured(5))
    assert found.half_width > known.half_width


def test_latencies_must_be_positive_and_a_device_needs_a_clock(tmp_path: Path) -> None:
    graph = specs(1)[0].graph()
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="expected a number above 0"):
            calibrate(load_device(BOARD), RUNTIME, [("n", graph, wrong)])
    with pytest.raises(ConfigError, match="no measurement"):
        calibrate(load_device(BOARD), RUNTIME, [])
    (tmp_path / "b.toml").write_text(
        'name = "B"\ncore = "Cortex-M7"\nruntimes = ["x-cube-ai"]\nruntime = "x-cube-ai"\n'
    )
    with pytest.raises(ConfigError, match="clock_mhz"):
        calibrate(load_device(tmp_path / "b.toml"), RUNTIME, measured(1))


def call(verb: Any, *words: object) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    document = verb.run(parser.parse_args([str(word) for word in words]))
    json.dumps(document)
    verb.show(document)
    return dict(document)


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    """Two ``.tflite`` files and a spec, in a folder and with names that a shell would trip over."""
    folder = tmp_path / "it's; my data"
    folder.mkdir()
    lines = ["model,milliseconds,remark"]
    for place, spec in enumerate(specs(3)):
        name = f"net {place}.tflite" if place else f"net {place}.json"
        content = synthesize(spec.graph()) if place else json.dumps(spec.to_json()).encode()
        (folder / name).write_bytes(content)
        lines.append(f"{name},{truth_ms(spec.graph()):.4f},x")
    path = folder / "measured.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_command_writes_a_device_that_estimates_use(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my device"
    words = ("--device", BOARD, "--runtime", RUNTIME, "--measurements", csv_file, "--out", out)
    document = call(devices, "calibrate", *words, "--propose", 2, "--space", "micro", "--input", "32x32x3")
    assert document["mean_error_after"] < document["mean_error_before"]
    assert [row["name"] for row in document["networks"]] == ["net 0.json", "net 1.tflite", "net 2.tflite"]
    printed = capsys.readouterr().out
    assert re.search("mean error .* before, .* after", printed) and "measure next" in printed
    cost = call(estimate, document["measure_next"][0], "--device", document["device_file"])
    assert (cost["source"], cost["device"]) == ("predictor", BOARD)
    filed = json.loads((out / BOARD / f"{RUNTIME}.json").read_text())
    assert filed["basis"] == "the user's measurements" and len(filed["measurements"]) == 3
    again = call(devices, "calibrate", "--device", document["device_file"], "--measurements", csv_file)
    assert again["device_file"] is None and again["networks"] == document["networks"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("model,ms\nnet 0.json,3\n", ConfigError, "line 2 .* expected both columns"),
        ("model,milliseconds\nnet 0.json\n", ConfigError, "line 2"),
        ("model,milliseconds\nnet 0.json,fast\n", ConfigError, "'fast' milliseconds"),
        ("model,milliseconds\nnet 0.json,-3\n", ConfigError, "expected a number above 0"),
        ("model,milliseconds\nnet 9.json,3\n", UnsupportedError, "there is no file"),
        ("model,milliseconds\n", ConfigError, "no measurement"),
        ("", ConfigError, "no measurement"),
        ("\x00\n", ConfigError, "."),
    ],
)
def test_a_wrong_csv_gets_one_line(csv_file: Path, text: str, error: type, message: str) -> None:
    csv_file.write_text(text)
    with pytest.raises(error, match=message) as raised:
        call(devices, "calibrate", "--device", BOARD, "--runtime", RUNTIME, "--measurements", csv_file)
    assert "\n" not in str(raised.value)


def test_arguments_that_do_not_go_together(csv_file: Path, tmp_path: Path) -> None:
    words = ("calibrate", "--device", BOARD, "--runtime", RUNTIME)
    with pytest.raises(ConfigError, match="needs --device and --measurements"):
        call(devices, *words)
    for extra in (("--propose", 2), ("--propose", 0, "--space", "micro", "--out", tmp_path)):
        with pytest.raises(ConfigError, match="--propose N needs"):
            call(devices, *words, "--measurements", csv_file, *extra)
    with pytest.raises(ConfigError, match="expected one of its runtimes"):
        call(devices, "calibrate", "--device", BOARD, "--runtime", "litert", "--measurements", csv_file)
    with pytest.raises(ConfigError, match="cannot be read as CSV"):
        call(devices, *words, "--measurements", tmp_path / "none.csv")
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        call(devices, *words, "--measurements", csv_file, "--out", tmp_path / "taken")
