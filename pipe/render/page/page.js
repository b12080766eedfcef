/* The page's own script. The overview stands in the page already; this adds the timeline, the table of tasks, the logs
   and the search. Whatever comes from the report becomes a text node or an attribute's value, never markup. */
"use strict";
const $ = id => document.getElementById(id);

function run(report) {
  const places = JSON.parse($("places").textContent);
  const tasks = report.tasks ?? [];
  const insights = report.insights ?? {};
  const ROW = 20; // pixels, as in page.css
  const MOST = 8e6; // pixels: browsers know no taller elements

  /* --- small things --- */

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) if (value !== null) element.setAttribute(name, value);
    element.append(...children.filter(child => child !== null && child !== ""));
    return element;
  }
  const number = value => value.toLocaleString("en");
  const several = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
  const two = value => String(value).padStart(2, "0");
  function duration(seconds) {
    if (seconds === null) return "–";
    if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
    if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
    const whole = Math.round(seconds);
    if (whole < 60) return `${whole}s`;
    if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
    return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
  }
  const STATES = { success: "✓ passed", failure: "✗ failed", stopped: "■ stopped", "not-run": "– not run" };
  const cached = task => task.cache === "local" || task.cache === "remote";
  const state = task => (STATES[task.status] ? task.status : "other");
  const word = task => STATES[task.status] ?? task.status;
  const tags = task => [
    task.compared && (task.compared === "known" ? "known failure" : task.compared === "new" ? "new failure" : task.compared),
    flaky.has(task.id) && "flaky",
    task.retried && "passed on retry",
  ].filter(Boolean);
  const badges = task => tags(task).map(tag => make("span", { class: "tag" }, tag));
  const encoded = text => encodeURIComponent(text).replace(/%(3A|40|2F)/g, decodeURIComponent);
  const place = (task, line) =>
    `#task=${encoded(task.id)}` + (task.again ? `&run=${task.run + 1}` : "") + (line ? `&line=${line}` : "");

  /* What follows from a task's own values, once; `again` says that the id alone does not name it. */
  const byId = Map.groupBy ? Map.groupBy(tasks, task => task.id) : tasks.reduce((map, task) => map.set(task.id, [...(map.get(task.id) ?? []), task]), new Map());
  const flaky = new Set([...tasks.filter(task => task.flaky), ...(insights.flaky ?? [])].map(task => task.id));
  const slow = new Set([...(insights.slowest ?? []), ...(insights.slower ?? [])].map(task => task.id));
  const ofLog = new Map();
  let begin = Infinity;
  tasks.forEach((task, index) => {
    task.index = index;
    task.run ??= 0;
    task.from = task.start ? Date.parse(task.start) / 1000 : NaN;
    task.to = task.end ? Date.parse(task.end) / 1000 : NaN;
    task.seconds = task.to >= task.from ? task.to - task.from : null;
    task.again = byId.get(task.id).length > 1;
    if (task.seconds !== null) begin = Math.min(begin, task.from);
    if (task.log) ofLog.set(task.log.id, task);
  });

  /* --- the worker --- */

  const pending = new Map();
  let worker = null;
  let started = null;
  let questions = 0;
  const pause = () => globalThis.scheduler?.yield?.() ?? new Promise(done => setTimeout(done));

  /* Start the worker and hand it all blocks, a few at a time, so that the page stays quick. */
  function start() {
    started ??= (async () => {
      if (document.readyState === "loading") await new Promise(done => document.addEventListener("DOMContentLoaded", done));
      worker = new Worker(URL.createObjectURL(new Blob([$("worker").textContent], { type: "text/javascript" })));
      worker.onmessage = ({ data }) => (data.search === undefined ? settle(data) : hits(data));
      worker.onerror = event => pending.forEach(({ fail }) => fail(new Error(event.message || "The browser forbids what unpacks the logs.")));
      const blocks = document.querySelectorAll("script[data-stream]");
      let since = performance.now();
      for (const block of blocks) {
        worker.postMessage({ block: block.textContent, stream: Number(block.dataset.stream), number: Number(block.dataset.number) });
        if (performance.now() - since > 15) {
          await pause();
          since = performance.now();
        }
      }
      worker.postMessage({ places });
    })();
    return started;
  }
  async function ask(question, values) {
    await start();
    return new Promise((done, fail) => {
      pending.set(++questions, { done, fail });
      worker.postMessage({ id: questions, ask: question, ...values });
    });
  }
  function settle({ id, answer, error }) {
    const { done, fail } = pending.get(id);
    pending.delete(id);
    if (error) fail(new Error(error));
    else done(answer);
  }

  /* --- many rows, of which those in view are elements --- */

  class Rows {
    /* `box` scrolls; `draw(from, to)` gives the elements of rows, at once or later. */
    constructor(box, height, draw) {
      Object.assign(this, { box, height, draw, count: 0, from: 0, to: 0, asked: 0 });
      this.rows = make("div", { class: "rows", role: box.getAttribute("role") === "table" ? "rowgroup" : null });
      this.space = make("div", { class: "space" }, this.rows);
      box.append(this.space);
      box.addEventListener("scroll", () => this.show(), { passive: true });
      new ResizeObserver(() => this.show()).observe(box);
    }
    get scaled() { return this.count * this.height > MOST; }
    get seen() { return Math.ceil(this.box.clientHeight / this.height) || 1; }
    get first() {
      const { scrollTop, clientHeight } = this.box;
      if (!this.scaled) return Math.floor(scrollTop / this.height);
      return Math.round((scrollTop / (MOST - clientHeight)) * (this.count - this.seen + 1));
    }
    async set(count, row = 0, middle = false) {
      this.count = count;
      this.space.style.height = `${Math.min(MOST, count * this.height)}px`;
      this.rows.replaceChildren();
      this.to = this.from = 0;
      this.goTo(row, middle);
      await this.show(true);
    }
    /* Scroll to a row, or no more than is needed to see it. */
    goTo(row, middle = false) {
      const { first, seen } = this;
      if (!middle && row >= first && row < first + seen - 2) return;
      const top = Math.max(0, row - (middle ? Math.floor(seen / 3) : row < first ? 0 : seen - 3));
      this.box.scrollTop = this.scaled ? (top / (this.count - seen + 1)) * (MOST - this.box.clientHeight) : top * this.height;
    }
    async show(anew = false) {
      if (!this.count) {
        this.asked++;
        this.rows.replaceChildren();
        return;
      }
      const { first, seen } = this;
      if (!anew && !this.scaled && first >= this.from && Math.min(this.count, first + seen) <= this.to) return;
      const from = Math.max(0, Math.min(first - 30, this.count - seen - 30));
      const to = Math.min(this.count, first + seen + 30);
      const asked = ++this.asked;
      const drawn = this.draw(from, to);
      const elements = drawn instanceof Promise ? await drawn : drawn;
      if (asked !== this.asked) return;
      const held = this.rows.contains(document.activeElement) ? document.activeElement.closest("[data-row]").dataset.row : null;
      Object.assign(this, { from, to });
      this.rows.replaceChildren(...elements);
      const top = this.scaled ? this.box.scrollTop - (first - from) * this.height : from * this.height;
      this.rows.style.transform = `translateY(${top}px)`;
      if (held !== null) this.rows.querySelector(`[data-row="${held}"] a`)?.focus({ preventScroll: true });
    }
  }

  /* --- the table of tasks --- */

  const FILTERS = {
    all: ["All", () => true],
    failed: ["Failed", task => task.status === "failure" || task.status === "stopped"],
    new: ["New failures", task => task.compared === "new"],
    "not-run": ["Not run", task => task.status === "not-run"],
    cached: ["Cached", cached],
    executed: ["Executed", task => task.cache === "miss"],
    slow: ["Slow", task => slow.has(task.id) && !cached(task)],
    flaky: ["Flaky", task => flaky.has(task.id)],
    critical: ["Critical path", task => task.critical],
  };
  const ORDER = { failure: 0, stopped: 1, "not-run": 2, success: 3 };
  let filter = "all";
  let shown = [];
  const table = new Rows($("task-rows"), 32, (from, to) => shown.slice(from, to).map((task, at) => taskRow(task, from + at)));

  function taskRow(task, row) {
    const cell = (name, ...content) => make("span", { role: "cell", class: name }, ...content);
    return make("div", { role: "row", "aria-rowindex": row + 2, "data-row": row, class: "row" },
      cell(`state ${state(task)}`, word(task)),
      cell("name", make("a", { href: place(task) }, task.id), ...badges(task)),
      cell("cache", cached(task) ? `${task.cache} cache` : task.cache === "miss" ? "executed" : ""),
      cell("number", task.seconds === null ? "" : `+${duration(task.from - begin)}`),
      cell("number", duration(task.seconds)));
  }
  function select() {
    const name = $("name").value.trim().toLowerCase();
    const [, wanted] = FILTERS[filter];
    shown = tasks.filter(task => wanted(task) && (!name || task.id.toLowerCase().includes(name)));
    if (filter === "slow") shown.sort((one, other) => other.seconds - one.seconds);
    else if (filter === "critical") shown.sort((one, other) => one.from - other.from);
    else shown.sort((one, other) => (ORDER[one.status] ?? 9) - (ORDER[other.status] ?? 9) || one.index - other.index);
    for (const button of $("filters").children) button.setAttribute("aria-pressed", button.value === filter);
    $("task-count").textContent = shown.length === tasks.length ? several(shown.length, "task") : `${number(shown.length)} of ${several(tasks.length, "task")}`;
    $("task-rows").setAttribute("aria-rowcount", shown.length + 1);
    table.set(shown.length);
  }
  function tasksSection() {
    for (const [key, [label, wanted]] of Object.entries(FILTERS)) {
      const count = tasks.filter(wanted).length;
      if (!count || (key !== "all" && key !== "failed" && count === tasks.length)) continue;
      const button = make("button", { type: "button", value: key }, `${label} `, make("span", { class: "count" }, number(count)));
      button.addEventListener("click", () => { filter = key; select(); });
      $("filters").append(button);
    }
    $("name").addEventListener("input", select);
    $("tasks").hidden = !tasks.length;
    select();
  }
  /* Go through the tasks that the table shows: on its rows, or from one log to the next. */
  function move(by) {
    const focused = document.activeElement?.closest("#task-rows [data-row]");
    const at = current ? shown.indexOf(current) : focused ? Number(focused.dataset.row) : -1;
    const next = Math.max(0, Math.min(shown.length - 1, at + by));
    if (!shown.length) return;
    if (current) location.hash = place(shown[next]);
    else {
      table.goTo(next);
      table.show(true);
      table.rows.querySelector(`[data-row="${next}"] a`)?.focus({ preventScroll: true });
      $("tasks").scrollIntoView({ block: "nearest" });
    }
  }

  /* --- one task and its log --- */

  let current = null; // the task whose log is shown
  let line = 0; // the line that the address names
  const log = new Rows($("log"), ROW, async (from, to) => (await ask("rows", { log: current.log.id, from, to })).map(logRow));

  function logRow({ row, line: at, begins, spans }) {
    const marked = at === line;
    const gutter = make("a", { class: "at", tabindex: "-1", href: place(current, at), "aria-label": begins ? `Line ${at}` : null, "aria-hidden": begins ? null : "true" });
    gutter.textContent = begins ? at : "↳";
    const text = make("span", { class: "text" });
    for (const [content, classes, front, back] of spans) {
      if (!classes && !front && !back) { text.append(content); continue; }
      const part = make("span", { class: classes || null }, content);
      // A ground of its own decides what stands out on it; a colour on the page's ground is made to.
      if (back) part.style.backgroundColor = `rgb(${back})`;
      if (back) part.style.color = luminance(back.split(",").map(Number)) > 0.18 ? "#000" : "#fff";
      else if (front && !classes.includes("-bg")) part.style.color = `rgb(${readable(front.split(",").map(Number))})`;
      text.append(part);
    }
    return make("div", { class: marked ? "row marked" : "row", "data-row": row, "aria-current": marked ? "true" : null }, gutter, text);
  }
  function luminance(colour) {
    const [red, green, blue] = colour.map(value => (value <= 10 ? value / 3295 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
  /* The colour, mixed with white or black until it stands out 4.5 times from the ground of the log. */
  function readable(colour) {
    const ground = luminance(getComputedStyle($("log")).backgroundColor.match(/\d+/g).map(Number));
    const towards = ground < 0.18 ? 255 : 0;
    for (let part = 0; part <= 1; part += 0.1) {
      const mixed = colour.map(value => Math.round(value + (towards - value) * part));
      const one = luminance(mixed);
      if ((Math.max(one, ground) + 0.05) / (Math.min(one, ground) + 0.05) >= 4.6) return mixed;
    }
    return Array(3).fill(towards);
  }

  function facts(task) {
    const run = (report.runs ?? [])[task.run];
    const told = [
      task.seconds === null ? null : duration(task.seconds),
      cached(task) ? `from the ${task.cache} cache` : task.cache === "miss" ? "executed" : null,
      task.code === null || task.code === undefined ? null : `exit code ${task.code}`,
      task.log ? several(task.log.lines, "line") : null,
      task.hash ? `hash ${task.hash}` : null,
      run && (report.runs.length > 1 || task.again) ? `run ${task.run + 1}: ${run.command ?? run.label ?? "nx"}` : null,
    ];
    return told.filter(Boolean).map(fact => make("li", null, fact));
  }
  function dependencies(task) {
    const known = (task.dependencies ?? []).filter(id => byId.has(id));
    const links = known.slice(0, 20).flatMap((id, at) => [at ? ", " : "Depends on ", make("a", { href: place(byId.get(id).find(other => other.run === task.run) ?? byId.get(id)[0]) }, id)]);
    return known.length > 20 ? [...links, ` and ${number(known.length - 20)} more`] : links;
  }
  function problems(task) {
    const list = (task.problems ?? []).slice(0, 200).map(problem => {
      const where = problem.path + (problem.line ? `:${problem.line}` + (problem.column ? `:${problem.column}` : "") : "");
      const rule = [problem.tool, problem.rule].filter(Boolean).join(" ");
      return make("li", null, make("code", null, where), " ", make("span", { class: `severity ${problem.severity}` }, problem.severity), ` ${problem.message} `, rule ? make("span", { class: "quiet" }, rule) : "");
    });
    $("problems").hidden = !list.length;
    $("problems-title").textContent = several((task.problems ?? []).length, "problem");
    $("problem-list").replaceChildren(...list);
  }

  async function show(task, at, column) {
    const same = current === task;
    [current, line] = [task, at];
    document.body.classList.add("reading");
    $("overview").hidden = true;
    $("task").hidden = false;
    document.title = `${task.id} · ${report.report?.title ?? "Nx"}`;
    if (!same) {
      $("task-state").className = `state ${state(task)}`;
      $("task-state").textContent = word(task);
      $("task-id").textContent = task.id;
      $("task-tags").replaceChildren(...badges(task));
      $("task-facts").replaceChildren(...facts(task));
      $("task-dependencies").replaceChildren(...dependencies(task));
      problems(task);
      $("log").setAttribute("aria-label", `Log of ${task.id}`);
      await log.set(0);
    }
    const there = task.log && places[task.log.id];
    $("log").hidden = $("copy-log").hidden = !there;
    tell(there ? "Unpacking the log …" : task.log
      ? `The log of this task (${several(task.log.lines, "line")}) is left out: the file has no room for it. The step's own log has what was printed.`
      : "No output of this task was recorded.");
    if (!same && !document.activeElement?.closest(".bar, #found")) $(there ? "log" : "task-id").focus({ preventScroll: true });
    if (!there) return;
    try {
      const find = !at && task.status === "failure" ? task.telling?.find(text => text.trim().length > 3) : null;
      const opened = await ask("open", { log: task.log.id, line: at, column, find });
      if (current !== task) return;
      tell(at > opened.lines ? `This log has no line ${number(at)}: it ends with line ${number(opened.lines)}.` : "");
      await log.set(opened.rows, opened.row, true);
      mark();
    } catch (error) {
      if (current === task) tell(`${error.message} The log is in this file all the same, and in the step's own log.`);
    }
  }
  function tell(text) {
    $("log-note").textContent = text;
    $("log-note").hidden = !text;
  }
  function overview() {
    current = null;
    log.set(0);
    document.body.classList.remove("reading");
    $("overview").hidden = false;
    $("task").hidden = true;
    document.title = title;
    table.show(true);
    timeline.draw();
  }
  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // not every browser lets a file do that
      const area = make("textarea", { "aria-label": "text to copy" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  }

  /* --- searching --- */

  let search = 0;
  let searched = "";
  let found = []; // the hits that are told one by one: {log, line, column, task}
  let chosen = -1;

  let timer = 0;
  async function look() {
    clearTimeout(timer);
    const text = $("search").value;
    if (text === searched) return;
    [searched, found, chosen] = [text, [], -1];
    const asked = ++search;
    $("hits").replaceChildren();
    $("found").hidden = text.length < 2;
    mark();
    $("found-count").textContent = "Searching …";
    try {
      await start();
    } catch (error) {
      $("found-count").textContent = error.message;
      return;
    }
    if (asked === search) worker.postMessage({ search: asked, text: text.length < 2 ? "" : text });
  }
  function hits(data) {
    if (data.search !== search) return;
    const list = document.createDocumentFragment();
    for (const hit of data.hits) {
      const task = ofLog.get(hit.log);
      if (!task) continue;
      if (found.at(-1)?.task !== task) list.append(make("li", { class: "of" }, make("span", { class: `state ${state(task)}` }, word(task)), ` ${task.id}`));
      const end = hit.at + searched.length;
      const link = make("a", { href: place(task, hit.line), "data-hit": found.length },
        make("span", { class: "at" }, number(hit.line)), hit.cut ? "…" : "", hit.text.slice(0, hit.at), make("mark", null, hit.text.slice(hit.at, end)), hit.text.slice(end));
      list.append(make("li", null, link));
      found.push({ ...hit, task });
    }
    $("hits").append(list);
    const count = `${several(data.lines, "line")} in ${several(data.logs, "log")}`;
    const listed = data.lines > found.length ? `, the first ${number(found.length)} listed` : "";
    $("found-count").textContent = data.done ? (data.lines ? count + listed : `“${searched}” is in no log`) + without : `${count} so far …`;
  }
  const missing = tasks.filter(task => task.log && !places[task.log.id]).length;
  const without = missing ? `; ${several(missing, "log")} left out of this file` : "";
  function choose(at) {
    if (!found.length) return;
    $("hits").querySelector("[aria-current]")?.removeAttribute("aria-current");
    chosen = (at + found.length) % found.length;
    const link = $("hits").querySelector(`[data-hit="${chosen}"]`);
    link.setAttribute("aria-current", "true");
    link.scrollIntoView({ block: "nearest" });
    const { task, line: to, column } = found[chosen];
    $("found-at").textContent = `${number(chosen + 1)} of ${number(found.length)}`;
    aim = column;
    if (location.hash === place(task, to)) route();
    else location.hash = place(task, to);
  }
  let aim = 0; // the column that a hit is in, for lines that take several rows

  /* Mark what is searched for in the rows that are shown; the text itself stays as it is. */
  function mark() {
    if (!CSS.highlights) return;
    const ranges = [];
    const needle = searched.toLowerCase();
    for (const row of needle.length < 2 ? [] : $("log").querySelectorAll(".text")) {
      const text = row.textContent.toLowerCase();
      for (let at = text.indexOf(needle); at >= 0 && ranges.length < 2000; at = text.indexOf(needle, at + needle.length)) {
        const range = new Range();
        range.setStart(...point(row, at));
        range.setEnd(...point(row, at + needle.length));
        ranges.push(range);
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  }
  function point(row, at) {
    const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    let node = walker.nextNode();
    while (node && at > node.length) { at -= node.length; node = walker.nextNode(); }
    return [node, at];
  }
  new MutationObserver(mark).observe(log.rows, { childList: true });

  /* --- the address --- */

  /* The address names a task, maybe its run, counted from 1, and a line. */
  function route() {
    const wanted = {};
    for (const part of location.hash.slice(1).split("&")) {
      const [, name, value] = /^(\w+)=(.*)$/s.exec(part) ?? [];
      if (name) try { wanted[name] = decodeURIComponent(value); } catch { wanted[name] = value; }
    }
    const column = aim;
    aim = 0;
    $("lost").hidden = true;
    if (wanted.task === undefined) { if (current || $("overview").hidden) overview(); return; }
    const named = byId.get(wanted.task) ?? [];
    const task = named.find(each => each.run + 1 === Number(wanted.run)) ?? named.findLast(each => each.status === "failure") ?? named.at(-1);
    if (task) { show(task, Number.parseInt(wanted.line, 10) || 0, column); return; }
    overview();
    $("lost").textContent = `This report has no task ${wanted.task}.`;
    $("lost").hidden = false;
  }

  /* --- keys, theme and all the rest --- */

  const title = document.title;
  const themes = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme ?? (themes.matches ? "dark" : "light")) === "dark";
  function paint() {
    $("theme").setAttribute("aria-pressed", dark());
    timeline.draw();
    log.show(true);
  }
  function remember(theme) {
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("nx-report-theme", theme); } catch { /* not kept, then */ }
    paint();
  }
  const KEYS = {
    "/": () => { $("search").focus(); $("search").select(); },
    j: () => move(1),
    k: () => move(-1),
    n: () => choose(chosen + 1),
    N: () => choose(chosen - 1),
    "?": () => $("help").showModal(),
    Escape: () => {
      if ($("search").value) { $("search").value = ""; look(); } else if (current) location.hash = "";
    },
  };
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    const at = event.target instanceof Element ? event.target : document.body;
    const field = at.closest("input");
    const arrow = at.closest("#task-rows") && { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (field === $("search") && event.key === "Enter") choose(chosen + (event.shiftKey ? -1 : 1));
    else if (arrow) move(arrow);
    else if (KEYS[event.key] && (!field || event.key === "Escape")) KEYS[event.key]();
    else return;
    event.preventDefault();
  });
  $("search").addEventListener("focus", () => start().catch(() => {}));
  $("search").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 60);
    $("found-count").textContent = "Searching …";
  });
  $("search-form").addEventListener("submit", event => event.preventDefault());
  $("next").addEventListener("click", () => choose(chosen + 1));
  $("previous").addEventListener("click", () => choose(chosen - 1));
  $("close-found").addEventListener("click", KEYS.Escape);
  $("hits").addEventListener("click", event => {
    const link = event.target.closest("[data-hit]");
    if (!link) return;
    event.preventDefault();
    choose(Number(link.dataset.hit));
  });
  $("copy-link").addEventListener("click", () => copy(location.href, $("copy-link")));
  $("copy-log").addEventListener("click", async () => copy(await ask("text", { log: current.log.id }), $("copy-log")));
  $("theme").addEventListener("click", () => remember(dark() ? "light" : "dark"));
  $("open-help").addEventListener("click", KEYS["?"]);
  $("close-help").addEventListener("click", () => $("help").close());
  themes.addEventListener("change", paint);
  addEventListener("hashchange", route);

  const timeline = new Timeline($("timeline"), tasks, begin, insights.parallelism, { place, word, state, duration, cached });
  try {
    const theme = localStorage.getItem("nx-report-theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch { /* as the system has it */ }
  for (const element of document.querySelectorAll(".scripted")) element.hidden = false;
  $("theme").setAttribute("aria-pressed", dark());
  tasksSection();
  timeline.show();
  route();
}

(async () => {
  try {
    if (!("DecompressionStream" in window)) throw new Error("This browser is too old for it: Chrome and Edge from 80, Firefox from 113 and Safari from 16.4 will do.");
    const packed = Uint8Array.from(atob($("report").textContent), letter => letter.charCodeAt(0));
    run(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).json());
  } catch (error) {
    $("lost").textContent = `Logs, timeline and search cannot be shown. ${error.message}`;
    $("lost").hidden = false;
    throw error;
  }
})();
