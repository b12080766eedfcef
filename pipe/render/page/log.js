/* One task: what is known of it, and its log. */
"use strict";

let current = null; // the task that is shown, null while the overview is
let line = 0; // the line that the address names
const log = new Rows($("log"), 20, async (from, to) => {
  const task = current;
  const rows = await ask("rows", { log: task.log.id, from, to });
  return rows.map(row => logRow(task, row));
});

function logRow(task, { row, line: at, begins, spans }) {
  const marked = at === line;
  const label = begins ? { "aria-label": `Line ${at}` } : { "aria-hidden": "true" };
  const link = { class: "at", tabindex: "-1", href: place(task, at), ...label };
  const gutter = make("a", link, begins ? String(at) : "↳");
  const text = make("span", { class: "text" }, ...spans.map(coloured));
  const attributes = { class: marked ? "row marked" : "row", "data-row": row, "aria-current": marked ? "true" : null };
  return make("div", attributes, gutter, text);
}

/* A part of a row. A ground of its own decides what stands out on it; a colour on the page's ground is made to. */
function coloured([content, classes, front, back]) {
  if (!classes && !front && !back) return content;
  const part = make("span", { class: classes || null }, content);
  const values = colour => colour.split(",").map(Number);
  if (back) {
    part.style.backgroundColor = `rgb(${back})`;
    part.style.color = luminance(values(back)) > 0.18 ? "#000" : "#fff";
  } else if (front && !classes.includes("-bg")) part.style.color = `rgb(${readable(values(front))})`;
  return part;
}

/* How light a colour is, from 0 to 1, and how much two of these differ: as WCAG 2 defines both. */
function luminance(colour) {
  const [red, green, blue] = colour.map(value =>
    value <= 10 ? value / 3295 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
const contrast = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);

/* The colour, mixed with white or black until it stands out from the ground of the log. */
function readable(colour) {
  const ground = luminance(getComputedStyle($("log")).backgroundColor.match(/\d+/g).map(Number));
  const towards = ground < 0.18 ? 255 : 0;
  for (let part = 0; part < 1; part += 0.1) {
    const mixed = colour.map(value => Math.round(value + (towards - value) * part));
    if (contrast(luminance(mixed), ground) >= 4.6) return mixed;
  }
  return [towards, towards, towards];
}

function facts(task) {
  const run = report.runs?.[task.run];
  return [
    task.seconds !== null && duration(task.seconds),
    cached(task) ? `from the ${task.cache} cache` : task.cache === "miss" && "executed",
    Number.isInteger(task.code) && `exit code ${task.code}`,
    task.log && several(task.log.lines, "line"),
    task.hash && `hash ${task.hash}`,
    run && (report.runs.length > 1 || task.again) && `run ${task.run + 1}: ${run.command ?? run.label ?? "nx"}`,
  ].filter(Boolean).map(fact => make("li", null, fact));
}

function dependencies(task) {
  const known = (task.dependencies ?? []).filter(id => byId.has(id));
  const links = known.slice(0, 20).flatMap((id, at) => {
    const same = byId.get(id).find(other => other.run === task.run) ?? byId.get(id)[0];
    return [at ? ", " : "Depends on ", make("a", { href: place(same) }, id)];
  });
  return known.length > 20 ? [...links, ` and ${number(known.length - 20)} more`] : links;
}

function showProblems({ problems, moreProblems }) {
  const list = (problems ?? []).map(problem => {
    const where = problem.line ? [problem.path, problem.line, problem.column].filter(Boolean) : [problem.path];
    const rule = [problem.tool, problem.rule].filter(Boolean).join(" ");
    return make("li", null,
      make("code", null, where.join(":")), " ",
      make("span", { class: `severity ${problem.severity}` }, problem.severity), ` ${problem.message} `,
      make("span", { class: "quiet" }, rule));
  });
  if (moreProblems) list.push(make("li", { class: "quiet" }, `and ${number(moreProblems)} more`));
  $("problems").hidden = !list.length;
  $("problems-title").textContent = `${several((problems ?? []).length + (moreProblems ?? 0), "problem")} in files`;
  $("problem-list").replaceChildren(...list);
}

/* Show a task and its log: at a line, or else where a failed one says why. `column` is told where a line is long. */
async function show(task, at, column) {
  const same = current === task;
  [current, line] = [task, at];
  document.body.classList.add("reading");
  $("overview").hidden = true;
  $("task").hidden = false;
  document.title = `${task.id} · ${report.report?.title ?? "Nx"}`;
  const there = task.log && places[task.log.id];
  if (!same) {
    $("task-id").textContent = task.id;
    $("task-state").replaceChildren(stateOf(task), ...badges(task));
    $("task-facts").replaceChildren(...facts(task));
    $("task-dependencies").replaceChildren(...dependencies(task));
    showProblems(task);
    $("log").setAttribute("aria-label", `Log of ${task.id}`);
    log.set(0);
  }
  $("log").hidden = $("copy-log").hidden = !there;
  if (!same && !document.activeElement?.closest(".bar, #found")) {
    $(there ? "log" : "task-id").focus({ preventScroll: true });
  }
  if (there) await showLog(task, at, column);
  else if (!task.log) tell("No output of this task was recorded.");
  else {
    tell(`The log of this task (${several(task.log.lines, "line")}) is left out: the file has no room for it. `
      + "The step's own log has what was printed.");
  }
}

async function showLog(task, at, column) {
  tell("Unpacking the log …");
  const find = at || task.status !== "failure" ? null : task.telling?.find(text => text.trim().length > 3);
  try {
    const opened = await ask("open", { log: task.log.id, line: at, column, find });
    if (current !== task) return;
    const lost = `This log has no line ${number(at)}: it ends with line ${number(opened.lines)}.`;
    tell(at > opened.lines ? lost : "");
    await log.set(opened.rows, opened.row, true);
  } catch (error) {
    if (current === task) tell(`${error.message} The log is in this file all the same, and in the step's own log.`);
  }
}

function tell(text) {
  $("log-note").textContent = text;
  $("log-note").hidden = !text;
}
