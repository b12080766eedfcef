/* Many rows in a box that scrolls, of which only those in view are elements. */
"use strict";

const MOST = 8e6; // pixels: browsers know no taller elements, so that of more rows one pixel stands for several

class Rows {
  /* `height` is a row's in pixels, as in page.css; `draw(from, to)` gives the elements of rows, at once or later; `role` is
     that of all rows together. */
  constructor(box, height, draw, role = null) {
    Object.assign(this, { box, height, draw, count: 0, from: 0, to: 0, asked: 0 });
    this.rows = make("div", { class: "rows", role });
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

  /* More rows have come. */
  grow(count) {
    this.count = count;
    this.space.style.height = `${Math.min(MOST, count * this.height)}px`;
    this.show();
  }

  /* Show other rows, one of them so many rows below the top. */
  set(count, row = 0, above = 0) {
    this.count = count;
    this.space.style.height = `${Math.min(MOST, count * this.height)}px`;
    this.rows.replaceChildren();
    this.to = this.from = 0;
    this.goTo(row, above);
    this.show(true);
  }

  /* Scroll so that a row stands so many rows below the top. */
  goTo(row, above) {
    const { seen } = this;
    const top = Math.max(0, row - above);
    const part = top / (this.count - seen + 1);
    this.box.scrollTop = this.scaled ? part * (MOST - this.box.clientHeight) : top * this.height;
  }

  /* Scroll no more than is needed to see a row. */
  reveal(row) {
    const { first, seen } = this;
    if (row < first) this.goTo(row, 0);
    else if (row >= first + seen - 2) this.goTo(row, seen - 3);
  }

  /* Draw what is in view and some rows around it, unless that is there. What was asked for last is there once `drawn` is. */
  show(anew = false) {
    if (this.box.closest("[inert]")) return;
    const { first, seen } = this;
    const last = Math.min(this.count, first + seen);
    if (this.count && !anew && !this.scaled && first >= this.from && last <= this.to) return;
    const from = Math.max(0, Math.min(first - 30, this.count - seen - 30));
    this.drawn = this.put(first, from, Math.min(this.count, last + 30));
  }

  async put(first, from, to) {
    const asked = ++this.asked;
    const drawn = this.count ? this.draw(from, to) : [];
    const elements = drawn instanceof Promise ? await drawn : drawn;
    if (asked !== this.asked) return;
    const focused = this.rows.contains(document.activeElement) ? document.activeElement.closest("[data-row]") : null;
    Object.assign(this, { from, to });
    this.rows.replaceChildren(...elements);
    const top = this.scaled ? this.box.scrollTop - (first - from) * this.height : from * this.height;
    this.rows.style.transform = `translateY(${top}px)`;
    if (focused) this.focus(focused.dataset.row);
  }

  focus(row) {
    this.rows.querySelector(`[data-row="${row}"] a`)?.focus({ preventScroll: true });
  }
}
