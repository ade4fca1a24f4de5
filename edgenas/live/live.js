"use strict";
// Asks for the state of the run once a second and shows it; text only ever enters as text, drawings as
// the server made them.
(() => {
  const $ = (id) => document.getElementById(id);
  const EVERY = 1000, SLOW = 5000;
  let version = -1, etag = "", state = null, older = [], failures = 0, status = "";

  const element = (tag, text, kind) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const put = (id, text) => {
    if ($(id).textContent !== text) $(id).textContent = text;
  };
  const duration = (seconds) => {
    if (seconds === null || seconds === undefined) return "unknown";
    if (seconds < 90) return `${Math.round(seconds)} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };
  const number = (value) => value.toLocaleString("en");

  const table = (id, caption, headings, rows) => {
    const made = element("table");
    made.append(element("caption", caption));
    const head = element("tr");
    for (const [name, kind] of headings) {
      const cell = element("th", name, kind);
      cell.scope = "col";
      head.append(cell);
    }
    const thead = element("thead");
    thead.append(head);
    const body = element("tbody");
    for (const { cells, kind } of rows) {
      const row = element("tr", undefined, kind);
      cells.forEach((text, place) => {
        const cell = element(place ? "td" : "th", text, headings[place][1]);
        if (!place) cell.scope = "row";
        row.append(cell);
      });
      body.append(row);
    }
    made.append(thead, body);
    $(id).replaceChildren(made);
  };

  const costs = () => Object.entries(state.cost_names);
  const costHeadings = () =>
    costs().map(([, name], place) => [name, place < 2 ? "num" : "num optional"]);
  const costCells = (entry) => costs().map(([key]) => entry.words[key]);

  const head = () => {
    const done = state.status === "done", stopped = !done && !state.process.alive;
    put("status", stopped ? `${state.status_words}, stopped` : state.status_words);
    $("status").className = `status ${done ? "done" : stopped ? "stopped" : "going"}`;
    const names = [state.data, state.device].filter(Boolean);
    put("title", names.join(" on ") || "A run just begun");
    document.title = `edgenas: ${names.join(" on ") || state.run}`;
    const budgets = state.budgets.length ? `; ${state.budgets.join(", ")}` : "";
    put("about", `Space ${state.space || "unknown"}${budgets}. Folder ${state.run}.`);
    const ended = state.counts.completed + state.counts.stopped + state.counts.failed;
    $("progress").hidden = !state.trial_limit && !done;
    $("progress").max = state.trial_limit || 1;
    $("progress").value = done ? $("progress").max : Math.min(ended, $("progress").max);
    if (!state.complete) trouble(`Reading the run: ${number(ended)} trials so far.`);
    else if (stopped) trouble(`No process on this machine writes this run. Go on with: edgenas resume ${state.run}`);
    else trouble("");
  };

  const tiles = () => {
    const { counts, left, final_trainings: final } = state;
    const limit = state.trial_limit ? `of ${number(state.trial_limit)}` : "";
    const about = left.seconds === null || state.status === "done" ? "" : "about ";
    const shown = [
      [state.judged, number(counts.completed), limit],
      ["left", about + duration(left.seconds), state.status === "done" ? "" : `of the ${left.of}; ${left.basis}`],
      ["used", duration(state.elapsed_seconds || 0), ""],
      ["refused by budget", number(counts.refused), "before training"],
      ["failed", number(counts.failed), counts.stopped ? `${number(counts.stopped)} stopped early` : ""],
    ];
    if (final.planned) shown.push(["final trainings", `${final.ended} of ${final.planned}`, ""]);
    const queue = state.device_queue;
    if (queue) shown.push(["on the device", queue.at, `${queue.waiting.length} waiting, ${queue.measured} measured; ${queue.device}`]);
    const made = shown.map(([name, value, note]) => {
      const tile = element("div", undefined, "tile"), figure = element("dd", value);
      figure.append(element("small", note));
      tile.append(element("dt", name), figure);
      return tile;
    });
    $("tiles").replaceChildren(...made);
  };

  const charts = () => {
    if (!state.charts) return;
    version = state.version;
    const made = state.charts.map((chart) => {
      const figure = element("figure");
      for (const size of ["wide", "narrow"]) {
        const drawing = element("div", undefined, size);
        drawing.innerHTML = chart[size];
        figure.append(drawing);
      }
      figure.append(element("figcaption", `${chart.title}; ${number(state.counts.trained)} candidates.`));
      return figure;
    });
    if (!made.length) made.push(element("p", `No candidate has been ${state.judged} yet.`, "muted"));
    $("charts").replaceChildren(...made);
    put("front-count", `The front as a table: ${state.front.length} networks`);
    table("front-table", "The front, the cheapest first; figures as the search saw them",
      [["Trial", ""], [state.label, "num"], ...costHeadings()],
      state.front.map((entry) => ({ cells: [entry.trial, entry.val_words, ...costCells(entry)] })));
    $("winners").hidden = !state.winners.length;
    if (state.winners.length)
      table("winners-table", `The short list; ${state.label} on validation data after the final training`,
        [["Trial", ""], [state.label, "num"], ["Why", ""], ["State", ""]],
        state.winners.map((one) => ({
          cells: [one.trial, one.val_words, one.why,
            one.dropped ? `dropped: ${one.dropped}` : one.files ? "files written" : "not exported yet"],
        })));
  };

  const running = () => {
    const now = Date.now() / 1000, workers = state.workers ? ` of ${state.workers}` : "";
    put("workers-note", state.process.alive
      ? `${state.running.length}${workers} workers busy; executor: ${state.executor}; process ${state.process.id}.`
      : state.running.length ? `${state.running.length} trials were in training when the run stopped.` : "Nothing.");
    $("running-table").hidden = !state.running.length;
    table("running-table", "Trials in training", [["Trial", ""], ["for", "num"], ...costHeadings()],
      state.running.map((one) => ({ cells: [one.trial, duration(Math.max(0, now - one.started)), ...costCells(one)] })));
  };

  const trials = () => {
    const shown = [...state.last, ...older];
    table("trials-table", "Ended trials, the newest first",
      [["Trial", ""], [state.label, "num"], ["took", "num optional"], ...costHeadings(), ["Note", "reason optional"]],
      shown.map((one) => ({
        kind: one.status,
        cells: [one.trial, one.val_words || one.status, one.seconds === null ? "" : duration(one.seconds),
          ...costCells(one), one.reason || (one.fidelity < 1 ? `${Math.round(100 * one.fidelity)} % of a training` : "")],
      })));
    $("more").hidden = !shown.length || shown[shown.length - 1].row === 0;
  };

  const trouble = (text) => {
    put("trouble", text);
    $("trouble").hidden = !text;
  };

  const show = () => {
    head();
    tiles();
    charts();
    running();
    trials();
    const lines = $("lines"), atEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 4;
    put("lines", state.log.join("\n") || "Nothing was printed so far.");
    if (atEnd) lines.scrollTop = lines.scrollHeight;
    if (status && status !== state.status) put("news", `The run is now ${state.status_words}.`);
    status = state.status;
  };

  const ask = async () => {
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const answer = await fetch(`/api/run.json?since=${Math.max(0, version)}`, { headers });
      if (answer.status === 401) return trouble("The token is not known any more; open the address that edgenas serve printed.");
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(answer.status);
        etag = answer.headers.get("ETag") || "";
        const before = state;
        state = await answer.json();
        if (before && before.last.length && state.last.length && before.last[0].row !== state.last[0].row) {
          const seen = new Set(state.last.map((one) => one.row));
          if (older.length) older = [...before.last.filter((one) => !seen.has(one.row)), ...older];
        }
        show();
        const root = document.documentElement.dataset;
        root.ready = "yes";
        if (!root.shown) root.shown = String(Math.round(performance.now()));
      } else if (state) {
        running();
      }
      failures = 0;
    } catch {
      failures += 1;
      if (failures > 1) trouble("No answer from edgenas serve; trying again.");
    }
    const hidden = document.hidden || (state && state.status === "done") || failures > 3;
    setTimeout(ask, state && !state.complete ? 300 : hidden ? SLOW : EVERY);
  };

  $("more").addEventListener("click", async () => {
    const shown = [...state.last, ...older];
    const answer = await fetch(`/api/trials.json?before=${shown[shown.length - 1].row}&count=100`);
    if (!answer.ok) return;
    older.push(...(await answer.json()).trials);
    trials();
    put("news", `${number(state.last.length + older.length)} trials are shown.`);
  });
  ask();
})();
