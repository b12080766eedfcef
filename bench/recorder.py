"""Measure what the recorder costs an nx command: CPU beyond that of a plugin that does nothing.

Whole node processes, in turn: each makes the same results, as Nx hands them to a plugin, and calls the plugin once.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from statistics import median

from bench import Figure
from bench.process import measure

RECORDER = Path(__file__).parents[1] / "recorder" / "index.js"
EMPTY = "module.exports = { name: 'empty', postTasksExecution: async () => {} };"
# Lines as jest, a server, a stack trace and a JSON logger print them; each second task's output is plain ASCII. Through
# UTF-8 and back it is one flat string, as after its way from process to process.
CALL = r"""
const [plugin, workspaceRoot, tasks, size] = process.argv.slice(1);
const line = (task, n) => [
  `\u001b[32m✓\u001b[39m src/lib/cart-${task}.spec.ts › adds line ${n} \u001b[2m(${n % 97} ms)\u001b[22m\n`,
  `2026-11-23T19:23:38.${100 + (n % 900)}Z [worker ${n % 8}] \u001b[32mGET\u001b[39m /api/items?page=${n} 200\r\n`,
  `    at Object.<anonymous> (packages/cart/src/lib/total-${task}.ts:${n}:17)\n`,
  `{"level":"info","msg":"built \"core\" chunk","file":"dist/packages/core/${task}.js"}\n`,
][n % 4];
const taskResults = {};
for (let task = 0; task < tasks; task++) {
  let output = '';
  for (let n = task; output.length < size; n++) output += line(task, n);
  if (task % 2) output = output.replace(/[✓›]/g, '>');
  const id = `p${task}:test`;
  taskResults[id] = {
    task: {
      id,
      target: { project: `p${task}`, target: 'test' },
      projectRoot: `packages/p${task}`,
      overrides: {},
      outputs: [],
      cache: true,
      hash: String(10n ** 19n + BigInt(task)),
      startTime: 1795508609000,
      endTime: 1795508609500,
    },
    status: 'success',
    code: 0,
    terminalOutput: Buffer.from(output).toString(),
  };
}
const argv = ['node', '/repo/node_modules/.bin/nx', 'run-many', '-t', 'test'];
require(plugin).postTasksExecution(undefined, { id: '1', taskResults, workspaceRoot, argv, startTime: 1, endTime: 2 });
"""


def _environment() -> dict[str, str]:
    """Ten secrets, the shortest of the least length that counts, one of them a key of 26 lines."""
    values = {f"SECRET_{length}": secrets.token_hex(length) for length in range(4, 40, 4)}
    key = "\n".join(secrets.token_hex(32) for _ in range(26))
    return {"PATH": os.environ["PATH"], **values, "SSH_KEY": key, "BITBUCKET_BUILD_NUMBER": "417"}


def _cpu(plugin: Path, tasks: int, size: int) -> float:
    """Seconds of CPU, user and system, of a process that calls the plugin with outputs of `size` characters."""
    with tempfile.TemporaryDirectory() as folder:
        # The heap that a large command needs, plugin or not.
        command = ["node", "--max-old-space-size=4000", "-e", CALL, str(plugin), folder, str(tasks), str(size)]
        usage = measure(command, _environment())
        records = [path.stat().st_size for path in Path(folder).glob(".nx-report/*.jsonl")]
        if (plugin == RECORDER) != (sum(records) > tasks * size):
            raise RuntimeError(f"{plugin.name} left records of {records} bytes")
    return usage.cpu


def recorder() -> list[Figure]:
    """The two rows about the recorder; needs node and half a gigabyte of disk for a moment."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.js"
        empty.write_text(EMPTY)
        for tasks, size, repeats, limit in ((100, 2_000, 15, 0.05), (10_000, 20_000, 5, 1.0)):
            pairs = [(_cpu(RECORDER, tasks, size), _cpu(empty, tasks, size)) for _ in range(repeats)]
            ours, theirs = (median(column) for column in zip(*pairs, strict=True))
            name = f"recorder: CPU seconds for {tasks:,} tasks"
            how = f"{ours:.2f} - {theirs:.2f} of an empty plugin, medians of {repeats}, {tasks * size // 10**6} MB"
            figures.append(Figure(name, ours - theirs, limit, how))
    return figures
