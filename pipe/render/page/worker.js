/* The page's worker, which has the logs; its other parts are worker-rows, worker-problems and worker-search. It is sent
   - {block, stream, number}: a compressed block in Base64, all of them before anything else
   - {places}: where each log is, as [stream, byte, bytes] or null
   - {id, ask, …}: a question, answered by {id, answer} or {id, error}: problems, open, rows, text
   - {search, text, logs}: to find a text in some logs, answered by {search, hits, lines, logs, done} until done or sent
     another one. */

const BLOCK = 256 * 1024;
const CODE = /\x1b\[[\d;:]*m/g;
const blocks = []; // of each stream
let places = [];

onmessage = async ({ data }) => {
  if (data.block !== undefined) (blocks[data.stream] ??= [])[data.number] = data.block;
  else if (data.places) places = data.places;
  else if (data.search !== undefined) await search(data);
  else {
    try {
      postMessage({ id: data.id, answer: await answers[data.ask](data) });
    } catch (error) {
      postMessage({ id: data.id, error: String(error) });
    }
  }
};

const answers = {
  /* Where a log says what is wrong, as worker-problems.js finds it. */
  async problems({ log, telling, problems }) {
    return locate((await unpacked(log)).replace(CODE, ""), telling, problems);
  },
  /* How many lines a log has, how many rows of so many columns they take, and which of these shows a place: a column of
     a line, or an offset in the log. */
  async open({ log, columns, line, column, at }) {
    const opened = await open(log, columns);
    const row = at ? rowAt(opened, at) : line ? rowOf(opened, line, column || 0) : 0;
    return { rows: opened.rows, lines: opened.lines, row };
  },
  async rows({ log, columns, from, to }) {
    const opened = await open(log, columns);
    const rows = [];
    const walker = walkTo(opened, from);
    for (let row = from; row < to; row++) {
      const { text, ...found } = walker.next();
      rows.push({ row, ...found, spans: spans(text, walker.ansi) });
    }
    return rows;
  },
  async text({ log }) {
    return (await unpacked(log)).replace(CODE, "");
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

let last = { log: -1 }; // the log that was asked for last, and how it was laid out last

function unpacked(log) {
  if (last.log !== log) last = { log, text: unpackLog(places[log]) };
  return last.text;
}

/* Lay a log out in rows of so many columns. */
async function open(log, columns) {
  const text = await unpacked(log);
  if (last.log !== log) return layOut(text, columns);
  if (last.columns !== columns) Object.assign(last, { columns, opened: layOut(text, columns) });
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
