"""The comparison with peers as a Markdown page, from what the benchmarks wrote; no figure stands here.

python benchmarks/comparison.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
MINUTES = (2.0, 4.0, 6.0)
"""Of a real search, at which its hypervolume is shown."""


def main() -> None:
    print(page())


def page() -> str:
    """The page."""
    table, searches = _result("tabular_cifar10"), _result("searches")
    return "\n".join([
        "# Comparison with peers",
        "",
        "Each figure is read from a file of `benchmarks/results` when this page is built; the script that "
        "wrote it is named. "
        "What the figures mean, what they rest on and where edgenas is behind: [Search methods](search.md).",
        "",
        *_tabular(table),
        *_by_device(table),
        *_searches(searches),
    ])  # fmt: skip


def _result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _tabular(table: Mapping[str, Any]) -> list[str]:
    """Methods over numbers of trainings, mean over devices, best first."""
    budgets = table["budgets"]
    methods = dict(table["mean_over_devices"])
    for name in ("tabular_optuna", "tabular_bayesian"):
        methods |= _result(name)["mean_over_devices"]
    place = budgets.index(100)
    order = sorted(methods, key=lambda name: -methods[name]["mean"][place])
    rows = []
    for name in order:
        entry = methods[name]
        pairs = list(zip(entry["mean"], entry["half_width_95"], strict=True))
        cells = [f"{mean:.3f} ± {width:.3f}" for mean, width in pairs] + [""] * (len(budgets) - len(pairs))
        rows.append([f"peer {name}" if entry["peer"] else f"`{name}`", *cells])
    return [
        "## Trainings to the front",
        "",
        f"Share of the exact front's hypervolume after so many trainings, on a table of {table['dataset']} "
        f"networks trained before ({table['table']}), mean over {len(table['devices'])} devices and up to "
        f"{table['seeds']} seeds, with 95 % intervals over seeds. Measured {table['date']} by "
        "`benchmarks/tabular.py`.",
        "",
        *_table(["method", *map(str, budgets)], rows),
        "",
    ]


def _by_device(table: Mapping[str, Any]) -> list[str]:
    """Of each device the default searcher and the best peer."""
    shown = [50, 100, 200]
    places = [table["budgets"].index(budget) for budget in shown]
    rows = []
    for device, methods in table["devices"].items():
        peers = {name: entry for name, entry in methods.items() if entry["peer"]}
        best = max(peers, key=lambda name: peers[name]["mean"][places[1]])
        cells = [" / ".join(f"{methods[name]['mean'][at]:.3f}" for at in places) for name in ("front", best)]
        rows.append([device, *cells, best])
    after = " / ".join(map(str, shown))
    return [
        *_table(["device", f"`front` after {after}", f"best peer after {after}", "which"], rows),
        "",
        f"The best peer is the one that is ahead after {shown[1]} trainings.",
        "",
    ]


def _searches(searches: Mapping[str, Any]) -> list[str]:
    """Real searches by minutes, best first."""
    methods, grid = searches["methods"], searches["minutes"]
    places = [min(range(len(grid)), key=lambda at: abs(grid[at] - minutes)) for minutes in MINUTES]
    order = sorted(methods, key=lambda name: -methods[name]["mean"][places[-1]])
    rows = []
    for name in order:
        entry = methods[name]
        label = name.replace("kt-", "keras-tuner ") if name.startswith("kt-") else f"`{name}`"
        ends = ", ".join(f"{value:.3f}" for value in entry["final"])
        counts = ", ".join(map(str, entry["trainings"]))
        rows.append([label, *(f"{entry['mean'][at]:.3f}" for at in places), ends, counts])
    budgets = " and ".join(f"{name} of at most {value:,}" for name, value in searches["budgets"].items())
    heads = [f"after {grid[at]:g} min" for at in places]
    return [
        "## Real searches",
        "",
        f"Share of hypervolume of searches on {searches['data']} with {budgets}, one core each, the same "
        f"training for all, mean of the seeds. Measured {searches['date']} by `benchmarks/searches.py`.",
        "",
        *_table(["method", *heads, "each seed at the end", "trainings"], rows),
        "",
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


if __name__ == "__main__":
    main()
