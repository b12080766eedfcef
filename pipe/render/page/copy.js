/* Taking a log, or a link to it, along: copied, or as a file. */
"use strict";

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
  button.dataset.label ??= button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
}

/* What is copied of several rows are the lines as they were printed, wherever these are wrapped. */
function copyRows(event) {
  const rows = [...getSelection().getRangeAt(0).cloneContents().querySelectorAll(".row")];
  if (!rows.length) return;
  const text = row => row.querySelector(".text")?.textContent ?? "";
  const copied = rows.map((row, at) => (at && "begins" in row.dataset ? "\n" : "") + text(row)).join("");
  event.clipboardData.setData("text/plain", copied);
  event.preventDefault();
}

/* The whole log, as plain text. */
const textOf = task => ask("text", { log: task.log.id });

async function download(task) {
  const url = URL.createObjectURL(new Blob([await textOf(task)], { type: "text/plain" }));
  make("a", { href: url, download: fileName(task) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/* A name for the task's log that every file system takes, whatever the task is called. */
function fileName(task) {
  const name = task.id.replace(/[^a-z0-9._-]+/gi, "-").slice(0, 100).replace(/^[-.]+|[-.]+$/g, "");
  return `${name || "task"}${task.again ? `-run-${task.run + 1}` : ""}.log`;
}
