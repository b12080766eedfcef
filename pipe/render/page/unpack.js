/* The worker that has the logs (worker.js), seen from the page: questions and answers. */
"use strict";

const pending = new Map();
let worker = null;
let started = null;
let questions = 0;

const pause = () => globalThis.scheduler?.yield?.() ?? new Promise(done => setTimeout(done));

/* Start the worker and hand it all blocks, a few at a time, so that the page stays quick. */
function start() {
  started ??= (async () => {
    if (document.readyState === "loading") {
      await new Promise(done => document.addEventListener("DOMContentLoaded", done));
    }
    worker = new Worker(URL.createObjectURL(new Blob([$("worker").textContent], { type: "text/javascript" })));
    worker.onmessage = ({ data }) => (data.search === undefined ? settle(data) : hits(data));
    worker.onerror = event => {
      const error = new Error(event.message || "The browser forbids what unpacks the logs.");
      for (const { fail } of pending.values()) fail(error);
    };
    let since = performance.now();
    for (const { textContent: block, dataset } of document.querySelectorAll("script[data-stream]")) {
      worker.postMessage({ block, stream: Number(dataset.stream), number: Number(dataset.number) });
      if (performance.now() - since > 15) {
        await pause();
        since = performance.now();
      }
    }
    worker.postMessage({ places: places.map((at, log) => (ofLog.has(log) ? at : null)) });
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
