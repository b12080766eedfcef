'use strict';

/**
 * Nx Report's recorder: an Nx plugin that writes down each nx command, one file a command, in `.nx-report/` of the
 * workspace. record.schema.json describes the format. It never fails a command and never prints.
 */

const fs = require('fs');
const path = require('path');

const FORMAT = '1.0';
const RECORDER = '0.1.0';

// Of an output longer than this only the beginning and the end are kept; in characters.
const [LONGEST, HEAD, TAIL] = [32e6, 8e6, 24e6];
const LARGEST_FILE = 256e6; // bytes of a terminal output that is read from the cache directory
const LOCAL_RECORDS = 5; // kept where no build is known, as on a developer's machine
const BLOCK = 1 << 20; // bytes written at once
const SLICE = 1 << 15; // characters encoded at once
const SMALL = 8e6; // characters in all

const MASK = '********';
const SECRET_NAME = /token|secret|passw|passphrase|pwd|(?:^|_)pass(?:_|$)|credential|key/i;
const SHORTEST_SECRET = 8;

// A CI, the variable that only it sets, and those of its build number, step, step run, commit and job. Nothing else of
// the environment is recorded.
const [BITBUCKET, BAMBOO] = ['BITBUCKET_BUILD_NUMBER', 'bamboo_buildNumber'];
const BUILDS = [
  ['bitbucket', BITBUCKET, BITBUCKET, 'BITBUCKET_STEP_UUID', 'BITBUCKET_STEP_RUN_NUMBER', 'BITBUCKET_COMMIT', null],
  ['jenkins', 'JENKINS_URL', 'BUILD_NUMBER', 'STAGE_NAME', null, 'GIT_COMMIT', 'JOB_NAME'],
  ['bamboo', BAMBOO, BAMBOO, 'bamboo_shortJobKey', null, 'bamboo_planRepository_revision', 'bamboo_planKey'],
  ['teamcity', 'TEAMCITY_VERSION', 'BUILD_NUMBER', null, null, 'BUILD_VCS_NUMBER', 'TEAMCITY_BUILDCONF_NAME'],
];

const string = (value) => (typeof value === 'string' ? value : null);
const strings = (value) => (Array.isArray(value) ? value.filter((each) => typeof each === 'string') : null);
const integer = (value) => (typeof value === 'number' && Math.abs(value) < 2 ** 53 ? Math.round(value) : null);

function buildOf(env) {
  const found = BUILDS.find(([, sign]) => env[sign]);
  if (!found) return null;
  const [number, step, stepRun, commit, job] = [2, 3, 4, 5, 6].map((at) => env[found[at]] || null);
  return { ci: found[0], number, step, stepRun, commit, job };
}

/** The task that started this command, which Nx names in the environment of what a task starts. */
function insideOf(env) {
  const { NX_TASK_TARGET_PROJECT: project, NX_TASK_TARGET_TARGET: target, NX_TASK_TARGET_CONFIGURATION: more } = env;
  return project && target ? [project, target, more].filter(Boolean).join(':') : null;
}

/** What to mask: each secret in every form in which an output may hold it. */
function secretForms(env) {
  const forms = new Set();
  for (const [name, value] of Object.entries(env)) {
    if (!SECRET_NAME.test(name) || name === 'PWD' || name === 'OLDPWD') continue;
    const lines = value.split(/\r?\n/);
    for (const text of [value, lines.join('\n'), lines.join('\r\n'), ...lines.map((line) => line.trim())]) {
      if (text.trim().length < SHORTEST_SECRET) continue;
      forms.add(text);
      forms.add(JSON.stringify(text).slice(1, -1)); // as a log in JSON has it
    }
  }
  return [...forms];
}

/**
 * Gives a function that finds where a text holds secrets: [start, end] in order. Where secrets overlap it is one place,
 * so that nothing of either is left.
 *
 * This is Wu and Manber's search by pairs of characters: few pairs occur in a secret, all others let it skip nearly a
 * secret's length. A regular expression, or one `indexOf` for each secret, takes several times as long.
 */
function finder(forms) {
  if (!forms.length) return () => [];
  const width = forms.reduce((least, form) => Math.min(least, form.length), 255);
  const pairAt = (text, at) => ((text.charCodeAt(at - 1) << 5) ^ text.charCodeAt(at)) & 0xffff;
  const steps = new Uint8Array(0x10000).fill(width - 1);
  const ending = new Map(); // the last pair of a form's first `width` characters -> the forms
  for (const form of forms) {
    for (let at = 1; at < width; at++) {
      const pair = pairAt(form, at);
      steps[pair] = Math.min(steps[pair], width - 1 - at);
    }
    const last = pairAt(form, width - 1);
    ending.set(last, [...(ending.get(last) || []), form]);
  }
  return (text) => {
    const places = [];
    for (let at = width - 1; at < text.length; ) {
      const pair = pairAt(text, at);
      const step = steps[pair];
      if (step > 0) {
        at += step;
        continue;
      }
      const start = at - width + 1;
      for (const form of ending.get(pair)) {
        if (!text.startsWith(form, start)) continue;
        const before = places[places.length - 1];
        if (before && start < before[1]) before[1] = Math.max(before[1], start + form.length);
        else places.push([start, start + form.length]);
      }
      at += 1;
    }
    return places;
  };
}

/** A random UUID, without `crypto`: to load that takes longer than to write a small record. */
function uuid() {
  return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => Math.floor(Math.random() * 16).toString(16));
}

/** The place, or the one before it where it would part the two halves of a character. */
function boundary(text, at) {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00 ? at - 1 : at;
}

/** What of an output is not written, [start, end, what stands for it] in order, and the length of its middle if cut. */
function gapsOf(text, find) {
  const secrets = find(text).map(([start, end]) => [start, end, MASK]);
  if (text.length <= LONGEST) return [secrets, 0];
  let [head, tail] = [boundary(text, HEAD), boundary(text, text.length - TAIL)];
  for (const [start, end] of secrets) {
    // A secret across an edge goes whole, or a part of it would stay.
    if (start < head && head < end) head = start;
    if (start < tail && tail < end) tail = end;
  }
  const before = secrets.filter(([, end]) => end <= head);
  const after = secrets.filter(([start]) => start >= tail);
  return [[...before, [head, tail, ''], ...after], tail - head];
}

// What follows the backslash where JSON has a byte escaped: one of `bfnrt"\`, or `u` and then four digits.
const ESCAPES = Uint8Array.from({ length: 256 }, (_, byte) => {
  const escaped = JSON.stringify(String.fromCharCode(byte));
  return escaped[1] === '\\' ? escaped.charCodeAt(2) : 0;
});
const DIGITS = '0123456789abcdef';

/**
 * Writes a file in blocks: the memory that it takes does not grow with what it writes. `encode` does what
 * `JSON.stringify` does within the quotes: four bytes at once, unless one of them is to be escaped. It takes half the
 * time, but has to be compiled, which a small record is not worth.
 */
function writer(file) {
  const block = Buffer.allocUnsafe(BLOCK);
  const raw = Buffer.allocUnsafe(SLICE * 3);
  const [from, to] = [raw, block].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  let used = 0;
  let small = SMALL;
  const flush = (bytes = block, length = used) => {
    for (let at = 0; at < length; ) at += fs.writeSync(file, bytes, at, length - at);
    used = 0;
  };
  const put = (text) => {
    const most = text.length * 3; // bytes in UTF-8
    if (most > BLOCK - used) flush();
    if (most > BLOCK) flush(Buffer.from(text), Buffer.byteLength(text));
    else used += block.write(text, used);
  };
  const encode = (length) => {
    if (length * 6 > BLOCK - used) flush();
    let at = 0;
    let end = used;
    while (at < length) {
      for (; at + 4 <= length; at += 4, end += 4) {
        const four = from.getInt32(at, true);
        const quote = four ^ 0x22222222;
        const slash = four ^ 0x5c5c5c5c;
        const low = (four - 0x20202020) & ~four; // the top bit of a byte under 0x20 comes out set
        if ((low | ((quote - 0x01010101) & ~quote) | ((slash - 0x01010101) & ~slash)) & 0x80808080) break;
        to.setInt32(end, four, true);
      }
      for (const stop = Math.min(at + 4, length); at < stop; at++) {
        const byte = raw[at];
        const letter = ESCAPES[byte];
        if (letter) block[end++] = 0x5c;
        block[end++] = letter || byte;
        if (letter !== 0x75) continue;
        block[end++] = 0x30;
        block[end++] = 0x30;
        block[end++] = 0x30 + (byte >> 4);
        block[end++] = DIGITS.charCodeAt(byte & 15);
      }
    }
    used = end;
  };
  const putInside = (text, start, stop) => {
    for (let at = start; at < stop; ) {
      const end = at + SLICE < stop ? boundary(text, at + SLICE) : stop;
      const part = text.slice(at, end);
      if (small > 0) put(JSON.stringify(part).slice(1, -1));
      else encode(raw.write(part));
      small -= part.length;
      at = end;
    }
  };
  return { put, putInside, flush };
}

/** Nx's version, and the cache directory as the Nx that runs this plugin has worked it out itself. */
function nxIn(root) {
  const shape = /^(.*[\\/]nx)[\\/](?:dist[\\/])?src[\\/]utils[\\/]cache-directory\.js$/;
  const loaded = Object.keys(require.cache).find((each) => shape.test(each));
  const folder = loaded ? shape.exec(loaded)[1] : path.join(root, 'node_modules/nx');
  const cache = string(loaded && require.cache[loaded].exports.cacheDir);
  let version = null;
  try {
    version = string(JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).version);
  } catch {
    // An installation of another shape: the version stays unknown.
  }
  return { version, cache: cache || path.resolve(root, process.env.NX_CACHE_DIRECTORY || '.nx/cache') };
}

/** Where a task's result came from, by Nx's word for how it ended; null where that does not say it. */
function cacheOf(status) {
  if (['success', 'failure', 'stopped'].includes(status)) return 'miss';
  const hit = /^(local|remote)-cache/.exec(string(status) || '');
  return hit && hit[1];
}

/** A task's output: as handed over, else (up to 21, cache hits) the one that Nx keeps in the folder `outputs`. */
function outputOf(result, outputs) {
  if (typeof result.terminalOutput === 'string') return result.terminalOutput;
  const { hash, startTime } = result.task || {};
  const hit = ['local', 'remote'].includes(cacheOf(result.status));
  if (!(hit || result.status === 'failure') || !/^[\w-]{1,128}$/.test(string(hash) || '')) return null;
  let file;
  try {
    const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = fs.constants;
    file = fs.openSync(path.join(outputs, hash), O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    const stat = fs.fstatSync(file);
    // An older file is an earlier run's, which failed with the same hash.
    if (!stat.isFile() || stat.size > LARGEST_FILE || !(hit || stat.mtimeMs >= startTime)) return null;
    return fs.readFileSync(file, 'utf8');
  } catch {
    return null;
  } finally {
    if (file !== undefined) fs.closeSync(file);
  }
}

/** Program and arguments: handed over from 21 on, else those of this process or, in a worker, of its parent. */
function argumentsOf(context) {
  if (Array.isArray(context.argv)) return strings(context.argv.slice(1));
  try {
    const parent = () => fs.readFileSync(`/proc/${process.ppid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    const argv = global.NX_PLUGIN_WORKER ? parent() : process.argv;
    const at = argv.findIndex((each) => /(?:^|[\\/])(?:nx|lerna)(?:\.js)?$/.test(each));
    return at < 0 ? [] : argv.slice(at);
  } catch {
    return [];
  }
}

function commandOf(context, find) {
  const [program, ...words] = argumentsOf(context);
  if (program === undefined) return null;
  const masked = (text) => {
    let [at, shown] = [0, ''];
    for (const [start, end] of find(text)) [at, shown] = [end, shown + text.slice(at, start) + MASK];
    return shown + text.slice(at);
  };
  const plain = /^[\w@%+=:,./^-][\w@%+=:,./~^-]*$/;
  const quoted = (text) => (plain.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);
  // Before quoting, which may change a secret, and after it, as a secret may have been passed as several words.
  const shown = [path.basename(program).replace(/\.[cm]?js$/, ''), ...words.map((each) => quoted(masked(each)))];
  return masked(shown.join(' '));
}

function taskOf(id, result, dependencies) {
  const task = result.task || {};
  const target = task.target || {};
  return {
    type: 'task',
    id: string(task.id) || id,
    project: string(target.project),
    target: string(target.target),
    configuration: string(target.configuration),
    status: string(result.status),
    code: integer(result.code),
    start: integer(task.startTime),
    end: integer(task.endTime),
    hash: string(task.hash),
    cache: cacheOf(result.status),
    projectRoot: string(task.projectRoot),
    dependencies: strings(dependencies && dependencies[id]),
  };
}

/** Make the folder with its .gitignore, without which the records would change the root project's hash. */
function folderIn(root) {
  const folder = path.join(root, '.nx-report');
  try {
    fs.mkdirSync(folder);
  } catch {
    // It is there already, or lstat says why not.
  }
  if (!fs.lstatSync(folder).isDirectory()) throw new Error('a symbolic link, or no folder');
  const ignore = path.join(folder, '.gitignore');
  try {
    fs.writeFileSync(ignore, '*\n', { flag: 'wx' });
  } catch (error) {
    if (error.code === 'EEXIST') return folder;
    fs.rmSync(ignore, { force: true }); // what a full disk left of it
    throw error;
  }
  return folder;
}

function nameOf(build, id) {
  const part = (text) => (text || '').replace(/[{}]/g, '').replace(/[^\w.-]|^\./g, '_').slice(0, 60);
  const { number, step, stepRun } = build || {};
  return `${part(number) || 'local'}-${part(step) || '0'}-${part(stepRun) || '0'}-${id}.jsonl`;
}

function dropOldLocal(folder) {
  const files = fs.readdirSync(folder).filter((name) => /^local-[\w.-]+\.jsonl$/.test(name));
  const age = (file) => ({ file, stat: fs.lstatSync(file, { throwIfNoEntry: false }) });
  const records = files.map((name) => age(path.join(folder, name))).filter(({ stat }) => stat && stat.isFile());
  records.sort((one, other) => other.stat.mtimeMs - one.stat.mtimeMs);
  for (const { file } of records.slice(LOCAL_RECORDS)) fs.rmSync(file, { force: true });
}

function write(file, header, context, find, outputs) {
  const { put, putInside, flush } = writer(file);
  const results = Object.entries(context.taskResults || {});
  put(`${JSON.stringify(header)}\n`);
  for (const [id, entry] of results) {
    const result = entry || {};
    const output = outputOf(result, outputs);
    put(`${JSON.stringify(taskOf(id, result, context.taskGraph?.dependencies)).slice(0, -1)},"output":`);
    if (output === null) {
      put('null}\n');
      continue;
    }
    const [gaps, leftOut] = gapsOf(output, find);
    let at = 0;
    put('"');
    for (const [start, end, mark] of gaps) {
      putInside(output, at, start);
      put(mark);
      at = end;
    }
    putInside(output, at, output.length);
    put(leftOut ? `","leftOut":${leftOut}}\n` : '"}\n');
  }
  put(`${JSON.stringify({ type: 'end', tasks: results.length })}\n`);
  flush();
}

function record(context) {
  const root = context.workspaceRoot;
  if (!path.isAbsolute(root)) return;
  const folder = folderIn(root);
  const build = buildOf(process.env);
  const find = finder(secretForms(process.env));
  const nx = nxIn(root);
  const starts = Object.values(context.taskResults || {}).map((result) => integer(result?.task?.startTime));
  const first = starts.reduce((least, start) => Math.min(least, start ?? Infinity), Infinity);
  const header = {
    type: 'run',
    version: FORMAT,
    recorder: RECORDER,
    id: uuid(),
    build,
    command: commandOf(context, find),
    inside: insideOf(process.env),
    nx: nx.version,
    workspaceRoot: root,
    start: integer(context.startTime) ?? integer(first),
    end: integer(context.endTime) ?? Date.now(),
  };
  const name = path.join(folder, nameOf(build, header.id));
  const part = `${name}.part`;
  const file = fs.openSync(part, 'wx');
  try {
    try {
      write(file, header, context, find, path.join(nx.cache, 'terminalOutputs'));
    } finally {
      fs.closeSync(file);
    }
    fs.renameSync(part, name);
  } catch (error) {
    fs.rmSync(part, { force: true });
    throw error;
  }
  if (!build) dropOldLocal(folder);
}

/**
 * Called by Nx from 20.4 on after each command, whatever its outcome. All of it is synchronous, so that no signal's
 * handler ends the process half way.
 *
 * @param {unknown} _options what nx.json gives the plugin: not read
 * @param {object} context `taskResults` by task id, `workspaceRoot`; from 21 on `argv`, `startTime`, `endTime` (ms)
 * @returns {Promise<void>} never rejected
 */
async function postTasksExecution(_options, context) {
  try {
    record(context);
  } catch {
    // A report must not fail what it reports on, nor print into its log.
  }
}

module.exports = { name: 'nx-report-recorder', postTasksExecution };
