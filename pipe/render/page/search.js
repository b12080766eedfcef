/* Searching all logs: the lines that hold a text, as the worker finds them. */
"use strict";

const SHORTEST = 2; // letters of what is searched for
let search = 0; // the number of the search, which its hits carry
let searched = "";
let found = []; // the hits that are told one by one
let chosen = -1; // the one of them that is shown
let aim = 0; // the column of that one, for a line that takes several rows
let timer = 0;

/* Search once the typing pauses. */
function look() {
  clearTimeout(timer);
  timer = setTimeout(lookNow, 60);
  $("found-count").textContent = "Searching …";
}

async function lookNow() {
  clearTimeout(timer);
  const text = $("search").value;
  const enough = text.length >= SHORTEST;
  [searched, found, chosen] = [text, [], -1];
  const asked = ++search;
  $("hits").replaceChildren();
  $("found-at").textContent = "";
  $("found").hidden = !enough;
  mark();
  try {
    await start();
    if (asked === search) worker.postMessage({ search: asked, text: enough ? text : "" });
  } catch (error) {
    $("found-count").textContent = error.message;
  }
}

/* Take what the worker has found so far: some hits, and how many there are. */
function hits({ search: number_, hits: more, lines, logs, done }) {
  if (number_ !== search) return;
  const list = document.createDocumentFragment();
  for (const hit of more) {
    const task = ofLog.get(hit.log);
    if (!task) continue;
    if (found.at(-1)?.task !== task) list.append(make("li", { class: "of" }, stateOf(task), ` ${task.id}`));
    list.append(make("li", null, hitLink(task, hit, found.length)));
    found.push({ ...hit, task });
  }
  $("hits").append(list);
  $("found-count").textContent = done ? total(lines, logs) : `${counted(lines, logs)} so far …`;
}

function hitLink(task, { line: at, text, at: from, cut }, index) {
  const to = from + searched.length;
  return make("a", { href: place(task, at), "data-hit": index },
    make("span", { class: "at" }, number(at)), cut ? "…" : "",
    text.slice(0, from), make("mark", null, text.slice(from, to)), text.slice(to));
}

const counted = (lines, logs) => `${several(lines, "line")} in ${several(logs, "log")}`;

function total(lines, logs) {
  const missing = tasks.filter(task => task.log && !places[task.log.id]).length;
  const listed = lines > found.length ? `, the first ${number(found.length)} listed` : "";
  const without = missing ? `; ${several(missing, "log")} left out of this file` : "";
  return (lines ? counted(lines, logs) + listed : `“${searched}” is in no log`) + without;
}

/* Go to one of the hits, round and round. */
function choose(at) {
  if (!found.length) return;
  $("hits").querySelector("[aria-current]")?.removeAttribute("aria-current");
  chosen = (at + found.length) % found.length;
  const link = $("hits").querySelector(`[data-hit="${chosen}"]`);
  link.setAttribute("aria-current", "true");
  link.scrollIntoView({ block: "nearest" });
  $("found-at").textContent = `${number(chosen + 1)} of ${number(found.length)}`;
  const { task, line: to, column } = found[chosen];
  aim = column;
  if (location.hash === place(task, to)) route();
  else location.hash = place(task, to);
}

/* Mark what is searched for in the rows of the log; the text itself stays as it is. */
function mark() {
  if (!CSS.highlights) return;
  const ranges = [];
  const needle = searched.toLowerCase();
  for (const row of needle.length < SHORTEST ? [] : $("log").querySelectorAll(".text")) {
    const text = row.textContent.toLowerCase();
    let at = text.indexOf(needle);
    for (; at >= 0 && ranges.length < 2000; at = text.indexOf(needle, at + needle.length)) {
      const range = new Range();
      range.setStart(...point(row, at));
      range.setEnd(...point(row, at + needle.length));
      ranges.push(range);
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
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
