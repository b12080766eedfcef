/* The timeline: tasks in parallel lanes over the seconds since the first one began, drawn on a canvas of the size of
   what is seen. The table of tasks has the same in words. */
"use strict";

class Timeline {
  constructor(section, tasks, begin, parallelism, words) {
    Object.assign(this, { section, begin, parallelism, words, zoom: 1, at: -1, shown: false });
    this.tasks = tasks.filter(task => task.seconds !== null).sort((one, other) => one.from - other.from || other.seconds - one.seconds);
    this.seconds = Math.max(0.001, ...[this.tasks.reduce((end, task) => Math.max(end, task.to - begin), 0)]);
    const ends = [];
    for (const task of this.tasks) {
      let lane = ends.findIndex(end => end <= task.from + 0.0005);
      if (lane < 0) lane = ends.length;
      ends[lane] = task.to;
      task.lane = lane;
    }
    this.lanes = ends.length;
    const find = name => section.querySelector(name);
    [this.box, this.space, this.canvas, this.tip] = [".lanes", ".space", "canvas", ".tip"].map(find);
    this.keys = [...section.querySelectorAll(".legend [data-key]")];
  }

  show() {
    if (!this.tasks.length) return;
    this.section.hidden = false;
    this.shown = true;
    const { box } = this;
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener("pointermove", event => this.tell(this.under(event)));
    box.addEventListener("pointerleave", () => this.tell(-1));
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
    const { box, space } = this;
    space.style.width = `${Math.max(1, box.clientWidth * this.zoom)}px`;
    space.style.height = `${Timeline.TOP + this.lanes * Timeline.LANE}px`;
  }

  /* Pixels on the canvas. */
  x(seconds) { return (seconds / this.seconds) * (this.box.clientWidth * this.zoom - 2) - this.box.scrollLeft; }
  y(lane) { return Timeline.TOP + lane * Timeline.LANE - this.box.scrollTop; }

  draw() {
    const { box, canvas } = this;
    if (!this.shown || !box.clientWidth) return;
    this.size();
    const [width, height] = [box.clientWidth, Math.min(box.clientHeight, Timeline.TOP + this.lanes * Timeline.LANE)];
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== width * ratio || canvas.height !== height * ratio) {
      [canvas.width, canvas.height] = [width * ratio, height * ratio];
      [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
    }
    const brush = canvas.getContext("2d");
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, width, height);
    brush.font = "11px system-ui, sans-serif";
    brush.textBaseline = "middle";
    const colours = Object.fromEntries(this.keys.map(key => [key.dataset.key, getComputedStyle(key).backgroundColor]));
    const style = getComputedStyle(box);
    this.bars(brush, width, height, colours, style.color);
    this.axis(brush, width, style);
  }

  bars(brush, width, height, colours, text) {
    this.tasks.forEach((task, at) => {
      const [left, right] = [this.x(task.from - this.begin), this.x(task.to - this.begin)];
      const top = this.y(task.lane);
      if (right < 0 || left > width || top > height || top < -Timeline.LANE) return;
      const wide = Math.max(1, right - left - (right - left > 4 ? 1 : 0));
      brush.fillStyle = colours[task.status === "success" ? (this.words.cached(task) ? "cached" : "success") : this.words.state(task)] ?? colours.stopped;
      brush.fillRect(left, top + 2, wide, Timeline.LANE - 4);
      if (task.critical) {
        brush.fillStyle = colours.critical;
        brush.fillRect(left, top + Timeline.LANE - 5, wide, 3);
      }
      if (at === this.at || (wide > 5 && task.critical)) {
        brush.strokeStyle = at === this.at ? text : colours.critical;
        brush.lineWidth = 2;
        brush.strokeRect(left + 1, top + 3, Math.max(1, wide - 2), Timeline.LANE - 6);
      }
      if (wide > 30) {
        brush.save();
        brush.beginPath();
        brush.rect(left + 4, top, wide - 8, Timeline.LANE);
        brush.clip();
        brush.fillStyle = "#fff";
        brush.fillText(task.id, Math.max(left, 0) + 5, top + Timeline.LANE / 2);
        brush.restore();
      }
    });
  }

  axis(brush, width, style) {
    brush.fillStyle = style.backgroundColor;
    brush.fillRect(0, 0, width, Timeline.TOP - 2);
    const { steps = [], peak = 0, start } = this.parallelism ?? {};
    const shift = start ? Date.parse(start) / 1000 - this.begin : 0;
    brush.fillStyle = style.borderColor;
    steps.forEach(([from, running], at) => {
      const [left, right] = [this.x(from + shift), this.x((steps[at + 1]?.[0] ?? this.seconds) + shift)];
      const tall = peak ? (running / peak) * 22 : 0;
      brush.fillRect(left, Timeline.TOP - 4 - tall, right - left, tall);
    });
    const step = [0.001, 0.01, 0.1].flatMap(unit => [unit, 2 * unit, 5 * unit]).concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 86400])
      .find(each => this.x(each) - this.x(0) >= 70) ?? 86400 * 7;
    brush.fillStyle = style.color;
    const first = Math.max(0, Math.floor((this.box.scrollLeft / (this.box.clientWidth * this.zoom)) * this.seconds / step));
    for (let tick = first; this.x(tick * step) < width && tick < first + 100; tick++) {
      brush.fillRect(this.x(tick * step), 0, 1, 6);
      brush.fillText(tick ? this.words.duration(tick * step) : "0s", this.x(tick * step) + 4, 7);
    }
  }

  under(event) {
    const frame = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const lane = Math.floor((y + this.box.scrollTop - Timeline.TOP) / Timeline.LANE);
    if (y < Timeline.TOP) return -1;
    const near = this.tasks.map((task, at) => ({ task, at })).filter(({ task }) => task.lane === lane
      && this.x(task.from - this.begin) <= x + 2 && this.x(task.to - this.begin) >= x - 2);
    return near.at(-1)?.at ?? -1;
  }

  tell(at) {
    if (at === this.at) return;
    this.at = at;
    const task = this.tasks[at];
    this.tip.textContent = task
      ? [task.id, this.words.word(task), this.words.duration(task.seconds), `from ${this.words.duration(task.from - this.begin)}`, task.critical ? "on the critical path" : ""].filter(Boolean).join(" · ")
      : "";
    this.box.classList.toggle("pointing", Boolean(task));
    this.draw();
  }

  open(at) { if (at >= 0) location.hash = this.words.place(this.tasks[at]); }

  key(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    const factor = { "+": 2, "=": 2, "-": 0.5, 0: 0 }[event.key];
    if (by !== undefined) {
      this.tell(Math.max(0, Math.min(this.tasks.length - 1, this.at + by)));
      const task = this.tasks[this.at];
      this.box.scrollLeft += this.x(task.from - this.begin) < 0 || this.x(task.from - this.begin) > this.box.clientWidth - 20 ? this.x(task.from - this.begin) - 40 : 0;
      this.box.scrollTop = Math.max(0, Timeline.TOP + task.lane * Timeline.LANE - this.box.clientHeight / 2);
    } else if (factor !== undefined) this.scale(factor);
    else if (event.key === "Enter") this.open(this.at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
Timeline.LANE = 20;
Timeline.TOP = 44;
