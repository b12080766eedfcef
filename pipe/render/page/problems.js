/* What is wrong with the task that is shown: its problems in files, and the places of its log that tell of them. */
"use strict";

const NOWHERE = { problems: [], stops: [], marked: [] };
let marks = NOWHERE; // where they are in the log, as worker-problems.js says it
let telling = new Set(); // the lines that are marked for it

let located = {}; // the task that was asked for last, and what is found of it

/* Find where its log tells what is wrong with a task. */
function locateProblems(task) {
  if (located.task !== task) {
    const asked = { log: task.log.id, telling: task.telling ?? [], problems: task.problems ?? [] };
    const any = asked.telling.length || asked.problems.length;
    located = { task, found: any ? ask("problems", asked) : Promise.resolve(NOWHERE) };
  }
  return located.found;
}

function showProblems(task, found) {
  marks = found;
  telling = new Set(found.marked);
  const { problems, moreProblems } = task;
  const list = (problems ?? []).map((problem, at) => problemItem(task, problem, found.problems[at]));
  if (moreProblems) list.push(make("li", { class: "quiet" }, `and ${number(moreProblems)} more`));
  $("problems").hidden = !list.length;
  $("problems-title").textContent = `${several((problems ?? []).length + (moreProblems ?? 0), "problem")} in files`;
  $("problem-list").replaceChildren(...list);
  $("stops").hidden = !found.stops.length;
}

function problemItem(task, problem, at) {
  const where = problem.line ? [problem.path, problem.line, problem.column].filter(Boolean) : [problem.path];
  const rule = [problem.tool, problem.rule].filter(Boolean).join(" ");
  return make("li", null,
    make("code", null, where.join(":")), " ",
    make("span", { class: `severity ${problem.severity}` }, problem.severity), ` ${problem.message} `,
    make("span", { class: "quiet" }, rule), " ",
    at ? make("a", { href: place(task, at.line) }, `line ${number(at.line)}`) : null);
}

/* Say which of the places the marked line is. */
function showStop() {
  const all = marks.stops.length;
  const at = marks.stops.findIndex(stop => stop.line === line);
  const first = marks.warnings ? "Warning" : "Error";
  $("stop-at").textContent = at < 0 ? several(all, first.toLowerCase()) : `${first} ${number(at + 1)} of ${number(all)}`;
}

/* Go to the next place or the one before, from the marked line on, round and round. */
function jump(by) {
  const { stops } = marks;
  if (!current || !stops.length) return;
  const to = by > 0
    ? stops.find(stop => stop.line > line) ?? stops[0] : stops.findLast(stop => stop.line < line) ?? stops.at(-1);
  go(current, to.line, to.column);
}
