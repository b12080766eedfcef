/* The timeline: tasks in parallel lanes over the seconds since the first one began, drawn on a canvas of the size of
   what is seen. The table of tasks has the same in words. */
"use strict";

const LANE = 20; // pixels
const AXIS = 44; // pixels above the lanes: the times, and how many tasks ran at once
const TICKS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
  14400, 28800, 86400,
];

class Timeline {
  constructor(section) {
    const [box, space, canvas, tip] = [".lanes", ".space", "canvas", ".tip"].map(name => section.querySelector(name));
    Object.assign(this, { section, box, space, canvas, tip, zoom: 1, at: -1 });
    this.keys = [...section.querySelectorAll(".legend [data-key]")];
    this.tasks = tasks.filter(task => task.seconds !== null);
    this.tasks.sort((one, other) => one.from - other.from || other.seconds - one.seconds);
    this.seconds = this.tasks.reduce((end, task) => Math.max(end, task.to - begin), 0.001);
    this.lanes = []; // the tasks of each, one after the other
    for (const task of this.tasks) {
      const free = this.lanes.findIndex(lane => lane.at(-1).to <= task.from + 0.0005);
      task.lane = free < 0 ? this.lanes.length : free;
      (this.lanes[task.lane] ??= []).push(task);
    }
    this.height = AXIS + this.lanes.length * LANE;
  }

  show() {
    if (!this.tasks.length) return;
    this.section.hidden = false;
    const { box } = this;
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener("pointermove", event => this.point(this.under(event)));
    box.addEventListener("pointerleave", () => this.point(-1));
    box.addEventListener("click", event => this.open(this.under(event)));
    box.addEventListener("keydown", event => this.key(event));
    for (const button of this.section.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.scale(Number(button.dataset.zoom)));
    }
    this.draw();
  }

  /* Zoom by a factor, 0 for the whole, and keep what is in the middle there. */
  scale(factor) {
    const { box } = this;
    const middle = (box.scrollLeft + box.clientWidth / 2) / this.zoom;
    this.zoom = factor ? Math.max(1, Math.min(2000, this.zoom * factor)) : 1;
    this.size();
    box.scrollLeft = middle * this.zoom - box.clientWidth / 2;
    this.draw();
  }

  size() {
    this.space.style.width = `${Math.max(1, this.box.clientWidth * this.zoom)}px`;
    this.space.style.height = `${this.height}px`;
  }

  /* What is in view, in pixels. The box is asked once: asking for each task would take most of the time of drawing. */
  look() {
    const { clientWidth: width, clientHeight, scrollLeft: left, scrollTop: top } = this.box;
    this.view = { left, top, width, height: Math.min(clientHeight, this.height), all: width * this.zoom - 2 };
  }

  /* Where a moment, in seconds since the first task, and a task's ends are on the canvas, in pixels. */
  x(seconds) { return (seconds / this.seconds) * this.view.all - this.view.left; }
  ends(task) { return [this.x(task.from - begin), this.x(task.to - begin)]; }

  draw() {
    if (this.section.hidden || this.box.closest("[inert]")) return;
    this.size();
    this.look();
    const { width, height, top } = this.view;
    const brush = this.brush();
    // The colours are those of the legend, which follows the theme.
    const colours = Object.fromEntries(this.keys.map(key => [key.dataset.key, getComputedStyle(key).backgroundColor]));
    const style = getComputedStyle(this.box);
    const pointed = this.tasks[this.at];
    const [from, to] = [top - AXIS, top + height - AXIS].map(edge => Math.max(0, Math.floor(edge / LANE)));
    this.lanes.slice(from, to + 1).forEach((lane, at) => {
      for (const task of this.inView(lane)) {
        this.bar(brush, task, AXIS + (from + at) * LANE - top, colours, task === pointed ? style.color : null);
      }
    });
    this.axis(brush, width, style, colours.many);
  }

  /* A cleared canvas of the size of what is in view. */
  brush() {
    const { canvas, view: { width, height } } = this;
    const ratio = devicePixelRatio || 1;
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== tall) {
      [canvas.width, canvas.height] = [wide, tall];
      [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
    }
    const brush = canvas.getContext("2d");
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, width, height);
    brush.font = "11px system-ui, sans-serif";
    brush.textBaseline = "middle";
    return brush;
  }

  /* The tasks of a lane that are in view. */
  inView(lane) {
    let low = 0;
    for (let high = lane.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.ends(lane[middle])[1] < 0) low = middle + 1;
      else high = middle;
    }
    let to = low;
    while (to < lane.length && this.ends(lane[to])[0] <= this.view.width) to++;
    return lane.slice(low, to);
  }

  bar(brush, task, top, colours, outline) {
    const [left, right] = this.ends(task);
    const wide = Math.max(1, right - left - (right - left > 4 ? 1 : 0));
    const kind = task.status === "success" && cached(task) ? "cached" : task.status;
    brush.fillStyle = colours[kind] ?? colours.stopped;
    brush.fillRect(left, top + 2, wide, LANE - 4);
    if (task.critical) {
      brush.fillStyle = colours.critical;
      brush.fillRect(left, top + LANE - 5, wide, 3);
    }
    if (outline || (wide > 5 && task.critical)) {
      brush.strokeStyle = outline ?? colours.critical;
      brush.lineWidth = 2;
      brush.strokeRect(left + 1, top + 3, Math.max(1, wide - 2), LANE - 6);
    }
    if (wide > 30) {
      brush.save();
      brush.beginPath();
      brush.rect(left + 4, top, wide - 8, LANE);
      brush.clip();
      brush.fillStyle = "#fff";
      brush.fillText(spelled(task.id).slice(0, 200), Math.max(left, 0) + 5, top + LANE / 2);
      brush.restore();
    }
  }

  axis(brush, width, style, colour) {
    brush.fillStyle = style.backgroundColor;
    brush.fillRect(0, 0, width, AXIS - 2);
    const { steps = [], peak = 0, start: first } = insights.parallelism ?? {};
    const shift = first ? Date.parse(first) / 1000 - begin : 0;
    brush.fillStyle = colour;
    steps.forEach(([from, running], at) => {
      const [left, right] = [from, steps[at + 1]?.[0] ?? this.seconds].map(moment => this.x(moment + shift));
      const tall = peak ? (running / peak) * 22 : 0;
      brush.fillRect(left, AXIS - 4 - tall, right - left, tall);
    });
    const step = TICKS.find(each => this.x(each) - this.x(0) >= 70) ?? 7 * 86400;
    brush.fillStyle = style.color;
    const before = (this.view.left / this.view.all) * this.seconds;
    for (let tick = Math.max(0, Math.floor(before / step)); this.x(tick * step) < width; tick++) {
      brush.fillRect(this.x(tick * step), 0, 1, 6);
      brush.fillText(tick ? duration(tick * step) : "0s", this.x(tick * step) + 4, 7);
    }
  }

  /* Which task a pointer is on, -1 for none. */
  under(event) {
    const frame = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    if (y < AXIS) return -1;
    const lane = this.lanes[Math.floor((y + this.view.top - AXIS) / LANE)] ?? [];
    const task = this.inView(lane).findLast(each => {
      const [left, right] = this.ends(each);
      return left <= x + 2 && right >= x - 2;
    });
    return task ? this.tasks.indexOf(task) : -1;
  }

  point(at) {
    if (at === this.at) return;
    this.at = at;
    const task = this.tasks[at];
    this.tip.textContent = task ? spelled(this.words(task).filter(Boolean).join(" · ")) : "";
    this.box.classList.toggle("pointing", Boolean(task));
    this.draw();
  }

  words(task) {
    const from = `from ${duration(task.from - begin)}`;
    return [task.id, word(task), duration(task.seconds), from, task.critical && "on the critical path"];
  }

  open(at) {
    if (at >= 0) location.hash = place(this.tasks[at]);
  }

  key(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    const factor = { "+": 2, "=": 2, "-": 0.5, 0: 0 }[event.key];
    if (by !== undefined) {
      this.point(Math.max(0, Math.min(this.tasks.length - 1, this.at + by)));
      const task = this.tasks[this.at];
      const [left] = this.ends(task);
      if (left < 0 || left > this.box.clientWidth - 20) this.box.scrollLeft += left - 40;
      this.box.scrollTop = Math.max(0, AXIS + task.lane * LANE - this.box.clientHeight / 2);
    } else if (factor !== undefined) this.scale(factor);
    else if (event.key === "Enter") this.open(this.at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
