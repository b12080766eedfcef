/* The page's own script is these files, one after the other: report, letters, rows, unpack, table, timeline, problems, log,
   copy, search, page.
   The overview stands in the page already; they add what needs a script. Whatever comes from the report becomes a text
   node or the value of an attribute, never markup. This one has the report, and the words for what is in it. */
"use strict";

const $ = id => document.getElementById(id);

/* Characters that are not seen, or that turn round what is beside them: each is shown by its name (as overview.py does). */
const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const nameOf = letter => `U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
const spelled = text => text.replace(UNSEEN, letter => `⟨${nameOf(letter)}⟩`);

/* An element with its attributes, those that are null left out, and its children; a text among these is spelled. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null) element.setAttribute(name, value);
  }
  const wanted = children.filter(child => child !== null && child !== "");
  element.append(...wanted.map(child => (typeof child === "string" ? spelled(child) : child)));
  return element;
}

/* The nodes of a text that stays as it is for who copies it: the names of such characters are shown by the styles. */
function asPrinted(text) {
  const nodes = [];
  let from = 0;
  for (const { 0: letter, index } of text.matchAll(UNSEEN)) {
    const named = make("span", { class: "named", "data-name": nameOf(letter) });
    named.textContent = letter;
    nodes.push(document.createTextNode(text.slice(from, index)), named);
    from = index + letter.length;
  }
  return [...nodes, document.createTextNode(text.slice(from))];
}

const number = value => value.toLocaleString("en");
const several = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
const two = value => String(value).padStart(2, "0");

/* As pipe/render/text.py writes it. */
function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
}

let report = {};
let tasks = [];
let insights = {};
let places = []; // of the logs, by their numbers: null for one that is left out
let begin = Infinity; // when the first task began, in seconds since 1970
const byId = new Map(); // an id's tasks: one for each run that had it
const ofLog = new Map(); // a log's task
let failures = []; // the failed tasks, each in its last failure, in the order of the overview (overview.py)
let flaky = new Set();
let slow = new Set();

/* Take a report. Of each task this works out once: `from`, `to` (seconds since 1970) and `seconds`, NaN or null where
   it has no times, its `index`, and `again`, that its id alone does not name it. */
function read(document, found) {
  [report, places] = [document, found];
  tasks = report.tasks ?? [];
  insights = report.insights ?? {};
  tasks.forEach((task, index) => {
    task.index = index;
    task.run ??= 0;
    task.from = task.start ? Date.parse(task.start) / 1000 : NaN;
    task.to = task.end ? Date.parse(task.end) / 1000 : NaN;
    task.seconds = task.to >= task.from ? task.to - task.from : null;
    if (task.seconds !== null) begin = Math.min(begin, task.from);
    if (task.log) ofLog.set(task.log.id, task);
    if (byId.has(task.id)) byId.get(task.id).push(task);
    else byId.set(task.id, [task]);
  });
  for (const task of tasks) task.again = byId.get(task.id).length > 1;
  const last = new Map(tasks.filter(task => task.status === "failure").map(task => [task.id, task]));
  const rank = task => (task.retried ? 3 : { new: 0, known: 2 }[task.compared] ?? 1);
  failures = [...last.values()].sort((one, other) => rank(one) - rank(other));
  flaky = new Set([...tasks.filter(task => task.flaky), ...(insights.flaky ?? [])].map(task => task.id));
  slow = new Set([...(insights.slowest ?? []), ...(insights.slower ?? [])].map(task => task.id));
}

const STATES = { success: "✓ passed", failure: "✗ failed", stopped: "■ stopped", "not-run": "– not run" };
const COMPARED = { new: "new failure", known: "known failure" };
const word = task => STATES[task.status] ?? task.status;
const state = task => (STATES[task.status] ? task.status : "other");
const stateOf = task => make("span", { class: `state ${state(task)}` }, word(task));
const cached = task => task.cache === "local" || task.cache === "remote";
const badges = task =>
  [COMPARED[task.compared] ?? task.compared, flaky.has(task.id) && "flaky", task.retried && "passed on retry"]
    .filter(Boolean)
    .map(tag => make("span", { class: "tag" }, tag));

/* The link to a task, or to a line of its log. */
function place(task, line) {
  const id = encodeURIComponent(task.id).replace(/%(3A|40|2F)/g, decodeURIComponent);
  return `#task=${id}${task.again ? `&run=${task.run + 1}` : ""}${line ? `&line=${line}` : ""}`;
}
