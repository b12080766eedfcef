/* Searching all logs: the lines that hold a text, as the worker finds them. */
"use strict";

let search = 0; // the number of the search, which its hits carry
let searched = "";
let within = []; // the tasks whose logs are searched
let found = []; // the hits that are told one by one
let listed = []; // what the list has in its rows: hits, and before those of a log its task
let chosen = -1; // the one of them that is shown
let timer = 0;
const list = new Rows($("hits"), 24, (from, to) => listed.slice(from, to).map((each, at) => foundRow(each, from + at)), "list");

/* Search once the typing pauses. */
function look() {
  clearTimeout(timer);
  timer = setTimeout(lookNow, 60);
  $("found-count").textContent = "Searching …";
}

async function lookNow() {
  clearTimeout(timer);
  const text = $("search").value;
  [searched, found, listed, chosen] = [text, [], [], -1];
  within = tasks.filter(task => task.log && (!$("failed-only").checked || isFailed(task)));
  const asked = ++search;
  $("found-at").textContent = "";
  $("found").hidden = !text;
  $("jumps").hidden = Boolean(text); // their place is needed, and what they lead to would be covered
  list.set(0);
  mark();
  try {
    await start();
    if (asked === search) worker.postMessage({ search: asked, text, logs: within.map(task => task.log.id) });
  } catch (error) {
    $("found-count").textContent = error.message;
  }
}

/* Take what the worker has found so far: some hits, and how many there are. */
function hits({ search: number_, hits: more, lines, logs, done }) {
  if (number_ !== search) return;
  for (const hit of more) {
    const task = ofLog.get(hit.log);
    if (found.at(-1)?.task !== task) listed.push({ task });
    found.push({ ...hit, task, row: listed.length });
    listed.push({ task, index: found.length - 1 });
  }
  list.grow(listed.length);
  $("found-count").textContent = done ? total(lines, logs) : `${counted(lines, logs)} so far …`;
}

function foundRow({ task, index }, row) {
  const attributes = { role: "listitem", "aria-setsize": listed.length, "aria-posinset": row + 1, "data-row": row };
  if (index === undefined) return make("div", { class: "row of", ...attributes }, stateOf(task), ` ${task.id}`);
  return make("div", { class: "row", ...attributes }, hitLink(task, found[index], index));
}

function hitLink(task, { line: at, text, at: from, cut }, index) {
  const to = from + searched.length;
  const attributes = { href: place(task, at), "data-hit": index, "aria-current": index === chosen ? "true" : null };
  return make("a", attributes,
    make("span", { class: "at" }, number(at)), cut ? "…" : "",
    text.slice(0, from), make("mark", null, text.slice(from, to)), text.slice(to));
}

const counted = (lines, logs) => `${several(lines, "line")} in ${several(logs, "log")}`;

function total(lines, logs) {
  const missing = within.filter(task => !places[task.log.id]).length;
  const first = lines > found.length ? `, the first ${number(found.length)} listed` : "";
  const without = missing ? `; ${several(missing, "log")} left out of this file` : "";
  const none = `“${searched}” is in no log${$("failed-only").checked ? " of a failed task" : ""}`;
  return (lines ? counted(lines, logs) + first : none) + without;
}

/* Go to one of the hits, round and round. */
function choose(at) {
  if (!found.length) return;
  chosen = (at + found.length) % found.length;
  const { task, line: to, column, row } = found[chosen];
  list.reveal(row);
  list.show(true);
  $("found-at").textContent = `${number(chosen + 1)} of ${number(found.length)}`;
  go(task, to, column);
}

/* Mark what is searched for in the rows of the log; the text itself stays as it is. */
function mark() {
  if (!CSS.highlights) return;
  const ranges = [];
  const needle = lower(searched);
  for (const parts of needle ? linesShown() : []) {
    const text = lower(parts.map(part => part.textContent).join(""));
    let at = text.indexOf(needle);
    for (; at >= 0 && ranges.length < 2000; at = text.indexOf(needle, at + needle.length)) {
      ranges.push(...rangesOf(parts, at, at + needle.length));
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

/* The texts of the rows that each line of the log takes, as far as they are shown. */
function linesShown() {
  const lines = [];
  for (const row of log.rows.children) {
    if (!lines.length || "begins" in row.dataset) lines.push([]);
    lines.at(-1).push(row.lastChild);
  }
  return lines;
}

/* From one letter of a line to another: a range in each of its rows that has some of them. */
function rangesOf(parts, from, to) {
  const ranges = [];
  let begins = 0;
  for (const part of parts) {
    const ends = begins + part.textContent.length;
    if (from < ends && to > begins) {
      const range = new Range();
      range.setStart(...point(part, Math.max(from, begins) - begins));
      range.setEnd(...point(part, Math.min(to, ends) - begins));
      ranges.push(range);
    }
    begins = ends;
  }
  return ranges;
}

/* The text node and the place in it that is so many characters into an element. */
function point(element, at) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let node = walker.nextNode();
  while (at > node.length && walker.nextNode()) {
    at -= node.length;
    node = walker.currentNode;
  }
  return [node, Math.min(at, node.length)];
}
