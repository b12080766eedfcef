/* The rows of a log: its lines, of which one that is wider than a row takes several. */

const STRIDE = 64; // rows from one bookmark to the next
const LONGEST = 4000; // characters of a row at most, codes and all
const PLAIN = /^[ -~]*$/;
const PIECE = /(\x1b\[[\d;:]*m)|([ -~]{1,4000})|.\p{M}{0,20}/suy; // a code, letters of a column each, or another letter
const WIDE = /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

function layOut(text, columns) {
  const opened = { text, columns, marks: [] };
  const walker = new Walker(text, columns);
  let rows = 0;
  for (; !walker.done; rows++) {
    if (rows % STRIDE === 0) opened.marks.push(walker.mark());
    walker.skip();
  }
  opened.rows = rows;
  opened.lines = walker.line;
  return opened;
}

/* Where the row that begins at an offset ends: behind the last space that makes it nearly full, else where it is. Colour
   codes take no column, a tab goes to the next stop, and what East Asian scripts and emoji take is two columns. */
function rowEnd(text, at, end, columns) {
  if (end - at <= columns && PLAIN.test(text.slice(at, end))) return end;
  let column = 0;
  for (let to = at; to < end; to = PIECE.lastIndex) {
    if (to - at >= LONGEST) return to;
    PIECE.lastIndex = to;
    const [piece, code, run] = PIECE.exec(text);
    const wide = code ? 0 : run ? run.length : piece === "\t" ? 8 - (column % 8) : WIDE.test(piece) ? 2 : 1;
    if (column + wide > columns && (column || run)) return afterSpace(text, at, run ? to + columns - column : to);
    column += wide;
  }
  return end;
}

function afterSpace(text, at, to) {
  const from = to - Math.floor((to - at) / 3);
  const space = text.slice(from, to).lastIndexOf(" ");
  return space < 0 ? to : from + space + 1;
}

/* Goes from row to row. The colours in force where a row begins are Anser's to know. */
class Walker {
  constructor(text, columns, mark = { at: 0, line: 0, begins: true, ansi: null }) {
    this.text = text;
    this.columns = columns;
    this.at = mark.at;
    this.line = mark.line;
    this.begins = mark.begins; // whether the next row is the first one of its line
    this.done = false;
    this.end = mark.begins ? -1 : this.lineEnd();
    this.ansi = Object.assign(new Anser(), mark.ansi && inForce(mark.ansi));
    this.escape = -2; // where the next escape is, once it has been looked for
  }

  mark() {
    return { at: this.at, line: this.line, begins: this.begins, ansi: isPlain(this.ansi) ? null : inForce(this.ansi) };
  }

  lineEnd() {
    const end = this.text.indexOf("\n", this.at);
    return end < 0 ? this.text.length : end;
  }

  next() {
    if (this.begins) {
      this.line++;
      this.end = this.lineEnd();
    }
    const { at, begins, line } = this;
    const to = rowEnd(this.text, at, this.end, this.columns);
    this.begins = to === this.end;
    this.at = this.begins ? to + 1 : to;
    this.done = this.at > this.text.length;
    return { at, line, begins, text: this.text.slice(at, to) };
  }

  skip() {
    const from = this.at;
    const { text } = this.next();
    if (this.escape < from && this.escape !== -1) this.escape = this.text.indexOf("\x1b", from);
    if (this.escape >= from && this.escape < this.at) {
      pass(this.ansi, text.match(CODE) ?? []);
    }
  }
}

const isPlain = ansi => ansi.fg === null && ansi.bg === null && !ansi.decorations.length;
const inForce = ({ fg, bg, fg_truecolor, bg_truecolor, decorations }) =>
  ({ fg, bg, fg_truecolor, bg_truecolor, decorations: [...decorations] });

/* Let Anser read some codes. What they come to is remembered: the lines of a log have the same few again and again. */
function pass(ansi, codes) {
  const key = `${Object.values(inForce(ansi)).join()}${codes.join("")}`;
  if (!passed.has(key)) {
    ansi.ansiToJson(codes.map(simple).join(""), { use_classes: true });
    tidy(ansi);
    if (passed.size < 1000) passed.set(key, inForce(ansi));
  } else Object.assign(ansi, inForce(passed.get(key)));
}
const passed = new Map();

/* The form of a colour with colons, as Anser reads it. */
function simple(code) {
  if (!code.includes(":")) return code;
  return code.replace(/4:\d/, "4").replace(/([34]8:2):\d*:(?=\d+:\d+:\d)/, "$1:").replace(/:/g, ";");
}

/* Anser keeps each repeated style for good. */
function tidy(ansi) {
  if (ansi.decorations.length > 1) ansi.decorations = [...new Set(ansi.decorations)];
}

function walkTo(opened, row) {
  const number = Math.floor(row / STRIDE);
  const walker = new Walker(opened.text, opened.columns, opened.marks[number]);
  for (let at = number * STRIDE; at < row; at++) walker.skip();
  return walker;
}

/* The parts of a row: [text, classes, foreground, background], the last two where no class says it, as "r, g, b". */
function spans(raw, ansi) {
  if (isPlain(ansi) && !raw.includes("\x1b")) return [[raw, "", "", ""]];
  // The code 10 changes nothing: Anser gives no colours to what stands before the first code.
  const parts = ansi.ansiToJson("\x1b[10m" + raw.replace(CODE, simple), { use_classes: true });
  tidy(ansi);
  return parts.filter(part => part.content).map(part => {
    const [front, ownFront] = colour(part.fg, part.fg_truecolor, "fg");
    const [back, ownBack] = colour(part.bg, part.bg_truecolor, "bg");
    const styles = [...new Set(part.decorations)].map(style => `ansi-${style}`);
    return [part.content, [front, back, ...styles].filter(Boolean).join(" "), ownFront, ownBack];
  });
}

function colour(name, exact, side) {
  if (!name) return ["", ""];
  if (name === "ansi-truecolor") return ["", exact];
  const index = Number(name.match(/^ansi-palette-(\d+)$/)?.[1] ?? 0);
  if (!index) return [`${name}-${side}`, ""];
  if (index >= 232) return ["", Array(3).fill(8 + 10 * (index - 232)).join(", ")];
  const level = step => (step ? 55 + 40 * step : 0); // of the cube of 6 reds, greens and blues that begins at 16
  const cube = index - 16;
  const steps = [cube / 36, (cube / 6) % 6, cube % 6].map(Math.floor);
  return ["", steps.map(level).join(", ")];
}

/* The row that shows the column of a line, counted from 0 without codes. */
function rowOf(opened, line, column) {
  const number = lastMark(opened.marks, mark => mark.line < line);
  const walker = walkTo(opened, number * STRIDE);
  let seen = 0;
  for (let row = number * STRIDE; row < opened.rows; row++) {
    const found = walker.next();
    if (found.line > line) return row - 1;
    if (found.line === line) seen += found.text.replace(CODE, "").length;
    if (found.line === line && (seen > column || (walker.begins && seen >= column))) return row;
  }
  return Math.max(0, opened.rows - 1);
}

/* The row that holds an offset in the log. */
function rowAt(opened, offset) {
  const number = lastMark(opened.marks, mark => mark.at <= offset);
  const walker = walkTo(opened, number * STRIDE);
  let row = number * STRIDE;
  for (; row < opened.rows - 1; row++) {
    walker.next();
    if (walker.at > offset) break;
  }
  return row;
}

/* The number of the last bookmark of which something holds that holds up to one of them. */
function lastMark(marks, holds) {
  let low = 0;
  let high = marks.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (holds(marks[middle])) low = middle;
    else high = middle - 1;
  }
  return low;
}
