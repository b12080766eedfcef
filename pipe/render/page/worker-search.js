/* Finding a text in all logs, as they are unpacked block after block. */

const LISTED = 1000; // hits that are told one by one
let searching = -1;

async function search({ search: number, text: wanted, logs: within }) {
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
  for (const [stream, packed = []] of blocks.entries()) {
    const logs = within
      .filter(log => places[log]?.[0] === stream)
      .map(log => ({ log, from: places[log][1], to: places[log][1] + places[log][2] }))
      .filter(each => each.to > each.from)
      .sort((one, other) => one.from - other.from);
    if (!logs.length) continue;
    let next = 0;
    let finder = null;
    let coming = unpack(stream, 0);
    for (let block = 0; block < packed.length; block++) {
      const bytes = await coming;
      if (searching !== number) return;
      coming = block + 1 < packed.length ? unpack(stream, block + 1) : null;
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

function newlines(text, from, to) {
  let count = 0;
  for (let at = text.indexOf("\n", from); at >= 0 && at < to; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
