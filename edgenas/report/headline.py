"""The first screen: what was asked, what came out, how to use it."""

from __future__ import annotations

import shlex

from edgenas.report.data import examples_word
from edgenas.report.intervals import wilson
from edgenas.report.markup import (
    count,
    device_warning,
    duration,
    listed,
    paragraph,
    percent,
    quantity,
    shown,
    text,
)
from edgenas.report.run import Run, Winner
from edgenas.report.summary import interval_on_test
from edgenas.search.objective import VAL_ERROR, format_metric, metric_name
from edgenas.task import CLASSIFICATION

STATUS_WORDS = {
    "searching": "searching",
    "retraining": "training the winners",
    "exporting": "quantizing and exporting",
    "training": "training one network",
    "done": "finished",
}


def headline(run: Run) -> str:
    """The head of the page."""
    data, device = run.document("data"), run.document("device")
    title = text(data.get("name", "A run just begun"))
    title += f" <span>on</span> {text(device['name'])}" if device.get("name") else ""
    best = run.best
    return (
        f'<header><p class="kicker">edgenas report{_status(run)}</p><h1>{title}</h1>'
        f'<p class="lead"><b>Asked for:</b> {_asked(run)}</p>'
        f'<p class="lead"><b>Came out:</b> {_came_out(run, best)}</p>'
        f"{_tiles(run, best) if best else ''}{device_warning(device)}{_use(run, best) if best else ''}"
        f"{_go_on(run)}</header>"
    )


def _status(run: Run) -> str:
    if run.status not in STATUS_WORDS:
        return ""
    state = "done" if run.status == "done" else "going"
    return f' <span class="status {state}">{STATUS_WORDS[run.status]}</span>'


def _asked(run: Run) -> str:
    data, device = run.document("data"), run.document("device")
    if not data:
        return "not written down yet."
    shape = "×".join(str(size) for size in data.get("input_shape") or [])
    sizes = [
        f"{data[split]:,} {split}" for split in ("train", "validation", "test") if data.get(split) is not None
    ]
    sentence = f"{run.task.maker} for <b>{text(data.get('name'))}</b>"
    classes = data.get("class_names") or []
    details = [f"{len(classes)} classes"] if classes and run.task == CLASSIFICATION else []
    details += [f"inputs of {text(shape)}"] if shape else []
    details += [f"{text(', '.join(sizes))} {examples_word(data)}"] if sizes else []
    sentence += f" ({'; '.join(details)})" if details else ""
    if device:
        runtime = f" with {text(device['runtime'])}" if device.get("runtime") else ""
        sentence += f" that runs on {text(device.get('name') or device.get('id'))}{runtime}"
    limits = [
        f"{metric_name(metric)} of at most {format_metric(metric, limit)}" for metric, limit in run.budgets
    ]
    sentence += f", with {text(listed(limits))}" if limits else ", without budgets"
    costs = [metric_name(name) for name in run.objectives if name != VAL_ERROR]
    return f"{sentence}; accurate, and low in {text(listed(costs))}."


def _came_out(run: Run, best: Winner | None) -> str:
    completed, many = run.trained, examples_word(run.document("data"))
    if best is None:
        if not completed:
            return f"nothing yet; no candidate has been {run.judged.verb}."
        top = run.val_figure(min(completed, key=lambda trial: trial.val_error or 0.0))
        return (
            f"nothing final yet. {count(len(completed), 'candidate')} {run.judged.verb} so far, the best of "
            f"them with {_named(run, top, 'validation')} {text(run.judged.after)}."
        )
    finished = [winner for winner in run.kept if winner.files]
    if best.int8_test is None:
        return (
            f"nothing final yet. {count(len(run.kept), 'candidate')} on the short list; trial "
            f"<b>{text(best.trial_id)}</b> leads with {_named(run, best.float_val, 'validation')} after "
            "its final training."
        )
    among = count(run.networks, f"{run.judged.verb} candidate")
    found = f"{count(len(finished), 'network')}, found among {among}"
    if run.task != CLASSIFICATION:
        return (
            f"{found}{_in_time(run)}. The best on validation data, trial "
            f"<b>{text(best.trial_id)}</b>, has "
            f"<b>{_named(run, best.int8_test, '')}</b> on the test split as an int8 file."
        )
    return (
        f"{found}{_in_time(run)}. The most accurate on validation data, trial <b>{text(best.trial_id)}</b>, "
        f"classifies <b>{percent(best.int8_test)}</b> of the test {many} right as an int8 file."
    )


def _named(run: Run, value: float | None, where: str) -> str:
    """A figure with its name: ``93.1 % validation accuracy`` or ``validation RMSE 54.2``."""
    label, space = text(run.task.label), " " if where else ""
    if run.task == CLASSIFICATION:
        return f"{percent(value)} {where}{space}{label}"
    return f"{where}{space}{label}&nbsp;{shown(run.task, value)}"


def _in_time(run: Run) -> str:
    seconds = run.meta["elapsed_seconds"]
    return f" in {duration(seconds)}" if seconds else ""


def _tiles(run: Run, best: Winner) -> str:
    """The best winner's figures, large."""
    cost = best.trial.cost
    tiles = [_accuracy_tile(run, best)]
    tiles.append(
        ("peak RAM", _figure("peak_ram_bytes", cost.peak_ram_bytes), _share(run, best, "peak_ram_bytes"))
    )
    tiles.append(("flash", _figure("flash_bytes", best.flash_bytes), _share(run, best, "flash_bytes")))
    if cost.latency_ms is not None:
        note = _share(run, best, "latency_ms") or ("measured" if cost.source == "measured" else "predicted")
        tiles.append(("latency", _figure("latency_ms", cost.latency_ms), note))
    tiles.append(
        ("MACs", _figure("macs", cost.macs), f"{text(format_metric('params', cost.params))} parameters")
    )
    items = "".join(
        f'<div class="tile"><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>'
        for name, value, note in tiles
    )
    return f'<dl class="tiles" aria-label="Figures of trial {text(best.trial_id)}">{items}</dl>'


def _accuracy_tile(run: Run, best: Winner) -> tuple[str, str, str]:
    images, label = run.document("data").get("test"), text(run.task.label)
    if best.int8_test is None:
        return f"validation {label}, float", _unit(shown(run.task, best.float_val)), "not exported yet"
    if run.task != CLASSIFICATION:
        ends = interval_on_test(run, best)
        note = f"95 % interval {run.task.format(ends[0])} to {run.task.format(ends[1])}" if ends else ""
        return f"test {label}, int8", _unit(shown(run.task, best.int8_test)), note
    if not images:
        return "test accuracy, int8", _unit(percent(best.int8_test)), ""
    low, high = wilson(best.int8_test, images)
    note = f"95 % interval {100 * low:.1f} to {100 * high:.1f}"
    return "test accuracy, int8", _unit(percent(best.int8_test)), note


def _figure(metric: str, value: float) -> str:
    return _unit(quantity(metric, value))


def _unit(figure: str) -> str:
    """A figure with its unit set smaller."""
    number, space, unit = figure.partition("&nbsp;")
    return f'{number}{space}<span class="unit">{unit}</span>' if unit else figure


def _share(run: Run, best: Winner, metric: str) -> str:
    limit = next((limit for name, limit in run.budgets if name == metric), None)
    if limit is None:
        return ""
    value = best.flash_bytes if metric == "flash_bytes" else getattr(best.trial.cost, metric)
    return f"{100 * value / limit:.0f} % of {text(format_metric(metric, limit))}"


def _use(run: Run, best: Winner) -> str:
    if not best.files:
        return ""
    command = (
        f"edgenas export {shlex.quote(str(run.folder))} --trial {shlex.quote(best.trial_id)} --out models"
    )
    names = ", ".join(f"<code>{text(file.file)}</code>" for file in best.files)
    place = f"winners/{best.trial_id}/"
    return paragraph(
        f"Its files lie in <code>{text(place)}</code> beside this report: {names}. Copy them with"
    ) + (f"<pre><code>{text(command)}</code></pre>")


def _go_on(run: Run) -> str:
    """How to go on with a run that is not finished."""
    if run.status not in STATUS_WORDS or run.status == "done":
        return ""
    folder = shlex.quote(str(run.folder))
    return paragraph(
        "This run is not finished, and this page shows what was known when it was written. "
        f"<code>{text(f'edgenas report {folder}')}</code> writes it anew; if the run was stopped, "
        f"<code>{text(f'edgenas resume {folder}')}</code> goes on with it.",
        "note",
    )
