/* The page's worker: unpacks logs, lays one out in rows and finds text in all of them. It is sent
   - {block, stream, number}: a compressed block in Base64, all of them before anything else
   - {places}: where each log is, as [stream, byte, bytes] or null
   - {id, ask, …}: a question, answered by {id, answer} or {id, error}: open, rows, text
   - {search, text}: to find a text, answered by {search, hits, lines, logs, done} until done or sent another one. */

const BLOCK = 256 * 1024;
const ROW = 1000; // characters of a row at most: a longer line takes several
const STRIDE = 64; // rows from one bookmark to the next
const LISTED = 1000; // hits that are told one by one
const CODE = /\x1b\[[\d;:]*m/g;
const blocks = [[], []];
let places = [];

onmessage = async ({ data }) => {
  if (data.block !== undefined) blocks[data.stream][data.number] = data.block;
  else if (data.places) places = data.places;
  else if (data.search !== undefined) await search(data.search, data.text);
  else {
    try {
      postMessage({ id: data.id, answer: await answers[data.ask](data) });
    } catch (error) {
      postMessage({ id: data.id, error: String(error) });
    }
  }
};

const answers = {
  /* How many rows a log has, and which of them to show first: that of a line, else the first one that holds a text. */
  async open({ log, line, column, find }) {
    const opened = await open(log);
    const wanted = line || (find && lineOf(opened.text, find)) || 0;
    return { rows: opened.rows, lines: opened.lines, row: wanted ? rowOf(opened, wanted, column || 0) : 0 };
  },
  async rows({ log, from, to }) {
    const opened = await open(log);
    const rows = [];
    const walker = walkTo(opened, from);
    for (let row = from; row < to; row++) {
      const found = walker.next();
      rows.push({ row, line: found.line, begins: found.begins, spans: spans(found.text, walker.ansi) });
    }
    return rows;
  },
  async text({ log }) {
    return (await open(log)).text.replace(CODE, "");
  },
};

/* --- unpacking --- */

async function unpack(stream, number) {
  const packed = atob(blocks[stream][number]);
  const bytes = new Uint8Array(packed.length);
  for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

let last = { log: -1 };

/* Unpack a log and bookmark every 64th of its rows. The last one asked for is kept. */
function open(log) {
  if (last.log !== log) last = { log, opened: unpackLog(places[log]).then(layOut) };
  return last.opened;
}

async function unpackLog([stream, start, length]) {
  const decoder = new TextDecoder();
  let text = "";
  for (let at = start; at < start + length; ) {
    const number = Math.floor(at / BLOCK);
    const block = await unpack(stream, number);
    const piece = block.subarray(at - number * BLOCK, Math.min(block.length, start + length - number * BLOCK));
    text += decoder.decode(piece, { stream: true });
    at += piece.length;
  }
  return text + decoder.decode();
}

/* --- the rows of a log --- */

function layOut(text) {
  const opened = { text, marks: [] };
  const walker = new Walker(text);
  let rows = 0;
  for (; !walker.done; rows++) {
    if (rows % STRIDE === 0) opened.marks.push(walker.mark());
    walker.skip();
  }
  opened.rows = rows;
  opened.lines = walker.line;
  return opened;
}

/* Goes from row to row. The colours in force where a row begins are Anser's to know. */
class Walker {
  constructor(text, mark = { at: 0, line: 0, begins: true, ansi: null }) {
    this.text = text;
    this.at = mark.at;
    this.line = mark.line;
    this.begins = mark.begins; // whether the next row is the first one of its line
    this.done = false;
    this.end = mark.begins ? -1 : this.lineEnd();
    this.ansi = Object.assign(new Anser(), mark.ansi, { decorations: [...(mark.ansi?.decorations ?? [])] });
    this.escape = -2; // where the next escape is, once it has been looked for
  }

  mark() {
    const { fg, bg, fg_truecolor, bg_truecolor, decorations } = this.ansi;
    const plain = fg === null && bg === null && !decorations.length;
    const ansi = plain ? null : { fg, bg, fg_truecolor, bg_truecolor, decorations: [...decorations] };
    return { at: this.at, line: this.line, begins: this.begins, ansi };
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
    let to = this.end;
    if (to - at > ROW) {
      to = at + ROW;
      const code = /\x1b[^m]*$/.exec(this.text.slice(to - 40, to)); // neither a code nor a pair of surrogates is cut
      if (code) to -= code[0].length;
      else if ((this.text.charCodeAt(to) & 0xfc00) === 0xdc00) to--;
    }
    this.begins = to === this.end;
    this.at = this.begins ? to + 1 : to;
    this.done = this.at > this.text.length;
    return { line, begins, text: this.text.slice(at, to) };
  }

  skip() {
    const from = this.at;
    const { text } = this.next();
    if (this.escape < from && this.escape !== -1) this.escape = this.text.indexOf("\x1b", from);
    if (this.escape >= from && this.escape < this.at) {
      this.ansi.ansiToJson((text.match(CODE) ?? []).map(simple).join(""), { use_classes: true });
      tidy(this.ansi);
    }
  }
}

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
  const walker = new Walker(opened.text, opened.marks[number]);
  for (let at = number * STRIDE; at < row; at++) walker.skip();
  return walker;
}

/* The parts of a row: [text, classes, foreground, background], the last two where no class says it, as "r, g, b". */
function spans(raw, ansi) {
  const plain = ansi.fg === null && ansi.bg === null && !ansi.decorations.length;
  if (plain && !raw.includes("\x1b")) return [[raw, "", "", ""]];
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
  let low = 0;
  let high = opened.marks.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (opened.marks[middle].line < line) low = middle;
    else high = middle - 1;
  }
  const walker = new Walker(opened.text, opened.marks[low]);
  let seen = 0;
  for (let row = low * STRIDE; row < opened.rows; row++) {
    const found = walker.next();
    if (found.line > line) return row - 1;
    if (found.line === line) seen += found.text.replace(CODE, "").length;
    if (found.line === line && (seen > column || (walker.begins && seen >= column))) return row;
  }
  return Math.max(0, opened.rows - 1);
}

function lineOf(text, wanted) {
  const plain = text.replace(CODE, "");
  const at = plain.indexOf(wanted);
  return at < 0 ? 0 : newlines(plain, 0, at) + 1;
}

function newlines(text, from, to) {
  let count = 0;
  for (let at = text.indexOf("\n", from); at >= 0 && at < to; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

/* --- searching --- */

let searching = -1;

async function search(number, wanted) {
  searching = number;
  const needle = lower(wanted);
  if (!needle) return;
  const found = { search: number, hits: [], lines: 0, logs: 0, done: false };
  const tell = () => {
    postMessage(found);
    found.hits = [];
    told = performance.now();
  };
  let told = performance.now();
  let listed = 0;
  for (const stream of [0, 1]) {
    const logs = places
      .map((place, log) => ({ log, stream: place?.[0], from: place?.[1], to: place?.[1] + place?.[2] }))
      .filter(each => each.stream === stream && each.to > each.from)
      .sort((one, other) => one.from - other.from);
    let next = 0;
    let finder = null;
    let coming = blocks[stream].length ? unpack(stream, 0) : null;
    for (let block = 0; block < blocks[stream].length; block++) {
      const bytes = await coming;
      if (searching !== number) return;
      coming = block + 1 < blocks[stream].length ? unpack(stream, block + 1) : null;
      const base = block * BLOCK;
      while (next < logs.length && logs[next].from < base + bytes.length) {
        const { log, from, to } = logs[next];
        finder ??= new Finder(needle);
        const piece = bytes.subarray(Math.max(0, from - base), Math.min(bytes.length, to - base));
        const before = finder.lines;
        const hits = finder.feed(piece, to <= base + bytes.length, LISTED - listed);
        if (!before && finder.lines) found.logs++;
        found.lines += finder.lines - before;
        for (const hit of hits) found.hits.push({ log, ...hit });
        listed += hits.length;
        if (to > base + bytes.length) break;
        finder = null;
        next++;
      }
      const first = listed === found.hits.length; // nothing was told yet
      if (found.hits.length >= 100 || performance.now() - told > (first ? 10 : 100)) tell();
    }
  }
  found.done = true;
  tell();
}

/* Lower case in which every letter stays where it was. */
const lower = text => text.replaceAll("\u0130", "i").toLowerCase();

/* Finds the lines of one log that hold a text, whose pieces are given one after the other. */
class Finder {
  constructor(needle) {
    this.needle = needle;
    this.decoder = new TextDecoder();
    this.state = 0; // within a code: 1 after its escape, 2 after its bracket
    this.kept = ""; // what may be the beginning of a hit, and is shown before it
    this.line = 1;
    this.column = 0; // of what is kept
    this.hit = false; // whether this line has been told of
    this.lines = 0;
  }

  /* The hits, no more than there is `room` for; `lines` counts all of them. */
  feed(bytes, ends, room) {
    const text = this.kept + this.decoder.decode(this.plain(bytes), { stream: !ends });
    const lowered = lower(text);
    const hits = [];
    let counted = 0;
    let begin = -this.column;
    let at = this.hit ? lowered.indexOf("\n") : 0;
    while (at >= 0) {
      const found = lowered.indexOf(this.needle, at);
      if (found < 0) break;
      const upTo = newlines(lowered, counted, found);
      if (upTo) begin = lowered.lastIndexOf("\n", found) + 1;
      this.line += upTo;
      const end = lowered.indexOf("\n", found);
      const from = Math.max(begin, 0, found - 60);
      this.lines++;
      if (hits.length < room) {
        const shown = text.slice(from, Math.min(end < 0 ? text.length : end, found + this.needle.length + 160));
        const cut = from > Math.max(begin, 0);
        hits.push({ line: this.line, column: found - begin, text: shown, at: found - from, cut });
      }
      counted = found;
      this.hit = true;
      at = end;
    }
    if (!ends) {
      const rest = newlines(lowered, counted, lowered.length);
      if (rest) begin = lowered.lastIndexOf("\n") + 1;
      if (rest) this.hit = false;
      this.line += rest;
      const keep = Math.max(begin, 0, text.length - this.needle.length - 60);
      this.kept = text.slice(keep);
      this.column = keep - begin;
    }
    return hits;
  }

  /* Leave out the codes, in place. */
  plain(bytes) {
    if (!this.state && !bytes.includes(27)) return bytes;
    let to = 0;
    let { state } = this;
    for (let from = 0; from < bytes.length; from++) {
      const byte = bytes[from];
      if (state === 0) {
        if (byte === 27) state = 1;
        else bytes[to++] = byte;
      } else if (state === 1) state = byte === 91 ? 2 : 0;
      else if (byte >= 64) state = 0;
    }
    this.state = state;
    return bytes.subarray(0, to);
  }
}
