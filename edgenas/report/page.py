"""READ FIRST: the report's page, one function a section, and how it is written."""

from __future__ import annotations

import os
from pathlib import Path

from edgenas.report.curves import training
from edgenas.report.explained import explained
from edgenas.report.front import front
from edgenas.report.gap import validation_against_test
from edgenas.report.glossary import glossary
from edgenas.report.gradient import gradient
from edgenas.report.guidance import inherited_table
from edgenas.report.headline import headline
from edgenas.report.long_trainings import long_trainings
from edgenas.report.markup import section, text
from edgenas.report.networks import networks
from edgenas.report.problems import problems
from edgenas.report.reasons import reasons
from edgenas.report.repeat import repeat
from edgenas.report.run import Run, read_run
from edgenas.report.schemes import schemes
from edgenas.report.trust import trust_section
from edgenas.report.winners_table import winners_table
from edgenas.store import Store, storage_errors

_HERE = Path(__file__).parent
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run folder; also while the run is still going.

    Returns:
        The file, replaced in one step.

    Raises:
        StoreError: There is no run, or the folder cannot be written.
    """
    with Store.read(folder) as store:
        page = render(read_run(store))
    temporary = folder / f".report.{os.getpid()}.html"
    with storage_errors(folder):
        try:
            temporary.write_text(page, encoding="utf-8")
            temporary.replace(folder / "report.html")
        finally:
            temporary.unlink(missing_ok=True)
    return folder / "report.html"


def long_section(run: Run) -> list[str]:
    """What `edgenas train` has trained, where it has."""
    content = long_trainings(run)
    return [section("long", "Trained for long", content)] if content else []


def render(run: Run) -> str:
    """The whole page."""
    data = run.document("data").get("name", "a run just begun")
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    sections = [
        section("front", "The front", front(run)),
        *([section("trust", "Trust in the scores", trusted)] if (trusted := trust_section(run)) else []),
        section("winners", "Winners", winners_table(run)),
        *([section("schemes", "Compression schemes", tried)] if (tried := schemes(run)) else []),
        section("networks", "The networks", networks(run)),
        section("reasons", "Why these", reasons(run)),
        section("explained", "What mattered", explained(run)),
        *([section("gradient", "What the gradients learned", learned)] if (learned := gradient(run)) else []),
        section("training", "Final training", training(run)),
        section("test", "Validation against test", validation_against_test(run)),
        *([section("inherited", "Inherited weights", kin)] if (kin := inherited_table(run)) else []),
        *long_section(run),
        section("problems", "Warnings and failures", problems(run)),
        section("repeat", "To repeat this run", repeat(run)),
        section("words", "Words used here", glossary(run.task.name)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>edgenas: {text(data)}</title><style>{style}</style></head>\n"
        f'<body><main>{headline(run)}\n{"".join(sections)}</main><div id="tip" hidden></div>'
        f"<script>{script}</script></body></html>\n"
    )
