/* One task: what is known of it, and its log. */
"use strict";

const UNWRAPPED = 1000; // columns of a row where lines are not wrapped: a longer line takes several all the same
let current = null; // the task that is shown, null while the overview is
let visits = 0; // counts what was asked to be shown: an answer to an older one comes too late
let line = 0; // the line that is marked: that of the address, or else the first one that says why the task failed
let wrapped = false;
let columns = UNWRAPPED; // of a row of the log that is shown
const log = new Rows($("log"), 20, async (from, to) => {
  const task = current;
  const rows = await ask("rows", { log: task.log.id, columns, from, to });
  return rows.map(row => logRow(task, row));
});

function logRow(task, { row, at, line: of, begins, spans }) {
  const told = telling.has(of);
  const label = begins ? { "aria-label": `Line ${of}${told ? ", tells what is wrong" : ""}` } : { "aria-hidden": "true" };
  const gutter = make("a", { class: "at", tabindex: "-1", href: place(task, of), ...label }, begins ? String(of) : "↳");
  const text = make("span", { class: "text" }, ...spans.flatMap(coloured));
  const marked = of === line;
  const names = ["row", marked && "marked", told && "telling"].filter(Boolean).join(" ");
  const data = { "data-row": row, "data-at": at, "data-begins": begins ? "" : null };
  return make("div", { class: names, ...data, "aria-current": marked ? "true" : null }, gutter, text);
}

/* A part of a row. A ground of its own decides what stands out on it; a colour on the page's ground is made to. */
function coloured([content, classes, front, back]) {
  if (!classes && !front && !back) return asPrinted(content);
  const part = make("span", { class: classes || null }, ...asPrinted(content));
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

/* Show a task and its log: at a line, or else where a failed one says why. `column` is told where a line is long. */
async function show(task, at, column) {
  const same = current === task;
  if (!current) {
    left = { top: scrollY, focused: document.activeElement };
    scrollTo(0, 0);
  }
  [current, line] = [task, at];
  document.body.classList.add("reading");
  $("overview").setAttribute("inert", "");
  $("task").hidden = false;
  const there = task.log && places[task.log.id];
  if (!same) showFacts(task);
  $("log").hidden = $("log-tools").hidden = !there;
  if (!same && !document.activeElement?.closest(".bar, #found")) {
    $(there ? "log" : "task-id").focus({ preventScroll: true });
  }
  visits++;
  if (there) await showLog(task, at, column);
  else if (!task.log) tell("No output of this task was recorded.");
  else {
    tell(`The log of this task (${several(task.log.lines, "line")}) is left out: the file has no room for it. `
      + "The step's own log has what was printed.");
  }
}

function showFacts(task) {
  document.title = `${spelled(task.id)} · ${report.report?.title ?? "Nx"}`;
  $("task-id").textContent = spelled(task.id);
  $("task-state").replaceChildren(stateOf(task), ...badges(task));
  $("task-facts").replaceChildren(...facts(task));
  $("task-dependencies").replaceChildren(...dependencies(task));
  showFailed();
  showProblems(task, NOWHERE);
  $("log").setAttribute("aria-label", `Log of ${spelled(task.id)}`);
  log.set(0);
}

async function showLog(task, at, column) {
  const own = visits;
  tell("Unpacking the log …");
  try {
    const found = await locateProblems(task);
    if (own !== visits) return;
    if (found !== marks) showProblems(task, found);
    const why = task.status === "failure" && found.stops[0];
    const wanted = at ? { line: at, column } : why || { line: 0 };
    line = wanted.line;
    showStop();
    const opened = await layOut(task, wanted, Math.floor(log.seen / 3));
    const lost = `This log has no line ${number(at)}: it ends with line ${number(opened.lines)}.`;
    if (own !== visits) return;
    tell(at > opened.lines ? lost : "");
    log.box.scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (own === visits) tell(`${error.message} The log is in this file all the same, and in the step's own log.`);
  }
}

function tell(text) {
  $("log-note").textContent = text;
  $("log-note").hidden = !text;
}

/* --- its rows: as wide as a line, or as the box where lines are wrapped --- */

let laid = Promise.resolve(); // once the log is laid out

/* Lay the log out in rows; the one that shows the wanted place stands so many rows below the top. */
function layOut(task, wanted, above) {
  const wide = fitting(task);
  const opening = ask("open", { log: task.log.id, columns: wide, ...wanted }).then(opened => {
    if (current === task) {
      columns = wide;
      log.set(opened.rows, opened.row, above);
    }
    return opened;
  });
  laid = opening.catch(() => {});
  return opening;
}

/* How many columns a row of a task's log has. */
function fitting(task) {
  if (!wrapped) return UNWRAPPED;
  const letters = make("span", null, "0".repeat(100));
  const gutter = make("span", { class: "at" }, String(task.log.lines));
  const text = make("span", { class: "text" }, letters);
  const row = make("div", { class: "row" }, gutter, text);
  log.box.append(row);
  const wide = letters.offsetWidth;
  const room = log.box.clientWidth - gutter.offsetWidth - (text.offsetWidth - wide);
  row.remove();
  return Math.max(10, Math.floor((room / wide) * 100));
}

/* Lay the log out anew where another width asks for it; the marked line stays where it is, or else what is at the top. */
async function refit() {
  await laid;
  for (let drawn = null; drawn !== log.drawn; ) await (drawn = log.drawn);
  if (!current || !log.count || fitting(current) === columns) return;
  const { first, seen } = log;
  const inView = [...log.rows.children].filter(row => row.dataset.row >= first && row.dataset.row < first + seen);
  const kept = inView.find(row => row.matches(".marked")) ?? inView[0] ?? log.rows.lastChild;
  await layOut(current, { at: Number(kept.dataset.at) }, Math.max(0, kept.dataset.row - first));
}

function wrap() {
  wrapped = !wrapped;
  $("wrap").setAttribute("aria-pressed", wrapped);
  log.box.scrollLeft = 0;
  refit();
}
