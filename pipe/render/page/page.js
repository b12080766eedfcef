/* The address, the keys, the theme, and how it all begins. */
"use strict";

/* --- the address: a task, maybe its run, counted from 1, and a line --- */

function asked() {
  const wanted = {};
  for (const part of location.hash.slice(1).split("&")) {
    const [name, ...value] = part.split("=");
    try {
      wanted[name] = decodeURIComponent(value.join("="));
    } catch {
      wanted[name] = value.join("=");
    }
  }
  return wanted;
}

function route() {
  const wanted = asked();
  const column = aim;
  aim = 0;
  $("lost").hidden = true;
  if (wanted.task === undefined) {
    if (current) overview();
    return;
  }
  const named = byId.get(wanted.task) ?? [];
  const task = named.find(each => each.run + 1 === Number(wanted.run))
    ?? named.findLast(each => each.status === "failure") ?? named.at(-1);
  if (task) {
    show(task, Math.max(0, Number.parseInt(wanted.line, 10) || 0), column);
    return;
  }
  overview();
  $("lost").textContent = `This report has no task ${spelled(wanted.task)}.`;
  $("lost").hidden = false;
}

let aim = 0; // the column to go to, for a line that takes several rows

/* Go to a task, or to a line of its log. From one log to the next or within it, it takes no step more to go back. */
function go(task, to, column) {
  const address = place(task, to);
  aim = column;
  if (location.hash === address) route();
  else if (current) location.replace(address);
  else location.hash = address;
}

const title = document.title;
let left = { top: 0, focused: null }; // where the overview was when a task was opened

function overview() {
  current = null;
  visits++;
  log.set(0);
  document.body.classList.remove("reading");
  $("overview").removeAttribute("inert");
  $("task").hidden = true;
  document.title = title;
  scrollTo(0, Math.min(left.top, $("overview").offsetHeight)); // asked for its height, it is laid out from here on
  table.show();
  timeline.draw();
  left.focused?.focus({ preventScroll: true });
}

/* --- the theme: the system's, until the switch says otherwise --- */

const KEPT = "nx-report-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const dark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

function recall() {
  try {
    const theme = localStorage.getItem(KEPT);
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch { /* as the system has it */ }
}

function paint() {
  $("theme").setAttribute("aria-pressed", dark());
  timeline.draw();
  log.show(true);
}

function turn() {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEPT, theme);
  } catch { /* it is not kept, then */ }
  paint();
}

/* --- the keys --- */

const KEYS = {
  "/": () => { $("search").focus(); $("search").select(); },
  j: () => move(1),
  k: () => move(-1),
  n: () => choose(chosen + 1),
  N: () => choose(Math.max(chosen, 0) - 1),
  e: () => jump(1),
  E: () => jump(-1),
  f: () => moveFailed(1),
  F: () => moveFailed(-1),
  w: () => current && wrap(),
  "?": () => $("help").showModal(),
  Escape: () => {
    if (document.activeElement === $("name")) leaveName();
    else if ($("search").value) {
      $("search").value = "";
      lookNow();
    } else if (current) location.hash = "";
  },
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const at = event.target instanceof Element ? event.target : document.body;
  const field = at.closest("input:not([type=checkbox])");
  const arrow = at.closest("#task-rows") && { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (field === $("search") && event.key === "Enter") KEYS[event.shiftKey ? "N" : "n"]();
  else if (arrow) move(arrow);
  else if (KEYS[event.key] && (!field || event.key === "Escape")) KEYS[event.key]();
  else return;
  event.preventDefault();
}

/* --- the beginning --- */

function listen() {
  const on = (id, event, act) => $(id).addEventListener(event, act);
  addEventListener("hashchange", route);
  addEventListener("keydown", key);
  system.addEventListener("change", paint);
  on("search", "focus", () => start().catch(() => {}));
  on("search", "input", look);
  on("failed-only", "change", lookNow);
  on("search-form", "submit", event => event.preventDefault());
  on("next", "click", KEYS.n);
  on("previous", "click", KEYS.N);
  on("close-found", "click", KEYS.Escape);
  on("hits", "click", event => {
    const link = event.target.closest("[data-hit]");
    if (!link) return;
    event.preventDefault();
    choose(Number(link.dataset.hit));
  });
  on("next-failed", "click", KEYS.f);
  on("previous-failed", "click", KEYS.F);
  on("next-error", "click", KEYS.e);
  on("previous-error", "click", KEYS.E);
  on("wrap", "click", wrap);
  on("log", "copy", copyRows);
  on("copy-link", "click", () => copy(location.href, $("copy-link")));
  on("copy-log", "click", async () => copy(await textOf(current), $("copy-log")));
  on("download", "click", () => download(current));
  on("theme", "click", turn);
  on("open-help", "click", KEYS["?"]);
  on("close-help", "click", () => $("help").close());
  new ResizeObserver(refit).observe(log.box);
  new MutationObserver(mark).observe(log.rows, { childList: true });
}

let timeline = null;
const OLD = "This browser is too old for it: Chrome and Edge from 80, Firefox from 113 and Safari from 16.4 will do.";

(async () => {
  recall();
  try {
    if (!("DecompressionStream" in window)) throw new Error(OLD);
    const packed = Uint8Array.from(atob($("report").textContent), letter => letter.charCodeAt(0));
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    read(await new Response(unpacked).json(), JSON.parse($("places").textContent));
  } catch (error) {
    $("lost").textContent = `Logs, timeline and search cannot be shown. ${error.message}`;
    $("lost").hidden = false;
    return;
  }
  timeline = new Timeline($("timeline"));
  for (const element of document.querySelectorAll(".scripted")) element.hidden = false;
  $("theme").setAttribute("aria-pressed", dark());
  listen();
  showTable();
  timeline.show();
  for (const jump of $("jumps").children) jump.hidden = $(jump.hash.slice(1)).hidden;
  route();
})();
