/* The table of tasks: the failed ones first, unless a filter has an order of its own. */
"use strict";

const isFailed = task => task.status === "failure" || task.status === "stopped";
const FILTERS = {
  all: ["All", () => true],
  failed: ["Failed", isFailed],
  new: ["New failures", task => task.compared === "new"],
  "not-run": ["Not run", task => task.status === "not-run"],
  cached: ["Cached", cached],
  executed: ["Executed", task => task.cache === "miss"],
  slow: ["Slow", task => slow.has(task.id) && !cached(task)],
  flaky: ["Flaky", task => flaky.has(task.id)],
  critical: ["Critical path", task => task.critical],
};
const STATUS_ORDER = { failure: 0, stopped: 1, "not-run": 2, success: 3 };
const ORDERS = {
  slow: (one, other) => other.seconds - one.seconds,
  critical: (one, other) => one.from - other.from,
};

let filter = "all";
let shown = []; // the tasks of the table, in its order
const table = new Rows($("task-rows"), 32, (from, to) =>
  shown.slice(from, to).map((task, at) => taskRow(task, from + at)), "rowgroup");

function taskRow(task, row) {
  const cell = (name, ...content) => make("span", { role: "cell", class: name }, ...content);
  return make("div", { role: "row", "aria-rowindex": row + 2, "data-row": row, class: "row" },
    cell(`state ${state(task)}`, word(task)),
    cell("name", make("a", { href: place(task) }, task.id), ...badges(task)),
    cell("cache", cached(task) ? `${task.cache} cache` : task.cache === "miss" ? "executed" : ""),
    cell("number", task.seconds === null ? "" : `+${duration(task.from - begin)}`),
    cell("number", duration(task.seconds)));
}

/* Show what the filter and the name ask for. */
function select() {
  const name = $("name").value.trim().toLowerCase();
  const [, wanted] = FILTERS[filter];
  shown = tasks.filter(task => wanted(task) && (!name || task.id.toLowerCase().includes(name)));
  const rank = task => STATUS_ORDER[task.status] ?? 9;
  shown.sort(ORDERS[filter] ?? ((one, other) => rank(one) - rank(other) || one.index - other.index));
  for (const button of $("filters").children) button.setAttribute("aria-pressed", button.value === filter);
  const all = several(tasks.length, "task");
  $("task-count").textContent = shown.length === tasks.length ? all : `${number(shown.length)} of ${all}`;
  $("task-rows").setAttribute("aria-rowcount", shown.length + 1);
  table.set(shown.length);
}

/* Show all names again; leave the field where it does already. */
function leaveName() {
  if (!$("name").value) $("name").blur();
  $("name").value = "";
  select();
}

function showTable() {
  for (const [key, [label, wanted]] of Object.entries(FILTERS)) {
    const count = tasks.filter(wanted).length;
    if (key !== "all" && key !== "failed" && count === tasks.length) continue;
    if (!count) continue;
    const button = make("button", { type: "button", value: key },
      `${label} `, make("span", { class: "count" }, number(count)));
    button.addEventListener("click", () => { filter = key; select(); });
    $("filters").append(button);
  }
  $("name").addEventListener("input", select);
  $("failed-only").parentElement.hidden = !tasks.some(isFailed) || tasks.every(isFailed);
  $("tasks").hidden = !tasks.length;
  select();
}

/* Go through the tasks that the table shows: from row to row, or from one log to the next. */
function move(by) {
  if (!shown.length) return;
  const focused = document.activeElement?.closest("#task-rows [data-row]");
  const at = current ? shown.indexOf(current) : focused ? Number(focused.dataset.row) : -1;
  const next = Math.max(0, Math.min(shown.length - 1, at + by));
  if (current) {
    go(shown[next]);
    return;
  }
  table.reveal(next);
  table.show(true);
  table.focus(next);
  $("tasks").scrollIntoView({ block: "nearest" });
}

/* Go to the next failed task, or the one before; after the last there is none. */
function moveFailed(by) {
  const to = failures[failures.indexOf(current) + by];
  if (to) go(to);
}

/* Say which of the failed tasks the shown one is. */
function showFailed() {
  const [at, all] = [failures.indexOf(current), failures.length];
  $("failures").hidden = all <= (at < 0 ? 0 : 1);
  $("failed-at").textContent = at < 0 ? several(all, "failed task") : `Failed task ${number(at + 1)} of ${number(all)}`;
  $("previous-failed").disabled = at <= 0;
  $("next-failed").disabled = at === all - 1;
}
