'use strict';

/**
 * Nx Report's recorder: an Nx plugin that writes down each nx command, one file a command, in `.nx-report/` of the
 * workspace. record.schema.json describes the format. It never fails a command and never prints.
 */

const fs = require('fs');
const path = require('path');

const FORMAT = '1.1';
const RECORDER = '0.1.0';

// Of an output longer than this only the beginning and the end are kept; in characters.
const [LONGEST, HEAD, TAIL] = [32e6, 8e6, 24e6];
const LARGEST_FILE = 256e6; // bytes of a terminal output that is read from the cache directory
const LARGEST_GRAPH = 64e6; // bytes of the project graph
const MOST_STEPS = 3e6; // from project to project, to find dependencies
const MOST_DEPENDENCIES = 2e5; // ids in a record
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
const boolean = (value) => (typeof value === 'boolean' ? value : null);
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

/** What a file holds; null for what is no file, larger than `limit` bytes, or last changed before `since` (ms). */
function contentOf(name, limit, since = 0) {
  let file;
  try {
    const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = fs.constants;
    file = fs.openSync(name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    const stat = fs.fstatSync(file);
    return stat.isFile() && stat.size <= limit && stat.mtimeMs >= since ? fs.readFileSync(file, 'utf8') : null;
  } catch {
    return null;
  } finally {
    if (file !== undefined) fs.closeSync(file);
  }
}

/** The Nx that runs this plugin: its version, where its files lie, and its folders as it has worked them out itself. */
function nxIn(root) {
  const shape = /^(.*[\\/]nx)([\\/](?:dist[\\/])?src[\\/])utils[\\/]cache-directory\.js$/;
  const loaded = Object.keys(require.cache).find((each) => shape.test(each));
  const [, folder, src] = loaded ? shape.exec(loaded) : [null, path.join(root, 'node_modules/nx'), null];
  const { cacheDir, workspaceDataDirectory } = loaded ? require.cache[loaded].exports : {};
  let version = null;
  try {
    version = string(JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).version);
  } catch {
    // An installation of another shape: the version stays unknown.
  }
  return {
    version,
    src: src && folder + src,
    cache: string(cacheDir) || path.resolve(root, process.env.NX_CACHE_DIRECTORY || '.nx/cache'),
    data: string(workspaceDataDirectory) || path.resolve(root, '.nx/workspace-data'),
  };
}

/** Where a task's result came from, by Nx's word for how it ended; null where that does not say it. */
function cacheOf(status) {
  if (['success', 'failure', 'stopped'].includes(status)) return 'miss';
  const hit = /^(local|remote)-cache/.exec(string(status) || '');
  return hit && hit[1];
}

/** Whether Nx may cache a task. Up to 22 the runner's options in nx.json can name such targets. */
function cacheableOf(result, nxJson) {
  const { cache, target } = result.task || {};
  if (['local', 'remote'].includes(cacheOf(result.status))) return true;
  if (typeof cache === 'boolean') return cache;
  if (!nxJson || !target) return null;
  return Object.values(nxJson.tasksRunnerOptions || {}).some((runner) => {
    const { cacheableOperations, cacheableTargets } = (runner && runner.options) || {};
    return (strings(cacheableOperations || cacheableTargets) || []).includes(target.target);
  });
}

/** A task's output: as handed over, else (up to 21, cache hits) the one that Nx keeps in the folder `outputs`. */
function outputOf(result, outputs) {
  if (typeof result.terminalOutput === 'string') return result.terminalOutput;
  const { hash, startTime } = result.task || {};
  const hit = ['local', 'remote'].includes(cacheOf(result.status));
  if (!(hit || result.status === 'failure') || !/^[\w-]{1,128}$/.test(string(hash) || '')) return null;
  // An older file than a failure is an earlier run's, which failed with the same hash.
  return contentOf(path.join(outputs, hash), LARGEST_FILE, hit ? 0 : startTime ?? Infinity);
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

const PATTERN = /[*|{}()[]/; // what Nx looks for to tell a pattern from a name

/** A target that an entry of `dependsOn` names; null where it is a pattern, or of projects that it names. */
function plainEntry(entry) {
  const text = typeof entry === 'string';
  const target = text ? entry.replace('^', '') : entry.target;
  const dependencies = text ? entry[0] === '^' : Boolean(entry.dependencies);
  if (typeof target !== 'string' || PATTERN.test(target) || entry.projects) return null;
  return text && !dependencies && /[:"]/.test(target) ? null : { target, dependencies };
}

/**
 * Gives a function that says what an entry of a project's `dependsOn` stands for: a list of targets, each with names of
 * `projects`, or else with a true `dependencies` for those that the project depends on.
 *
 * Nx itself expands what is not plain: to load that part of it takes 20 and 21 some 60 ms of CPU, later ones 2 ms.
 */
function expander(graph, src) {
  const known = new Map();
  let nx = null;
  const byNx = (entry, project) => {
    if (!nx) {
      const { normalizeDependencyConfigDefinition: normalize } = require(path.join(src, 'tasks-runner/utils.js'));
      const targets = Object.values(graph.nodes).flatMap(({ data }) => Object.keys(data.targets || {}));
      nx = { normalize, targets: [...new Set(targets)] };
    }
    return nx.normalize(entry, project, graph, nx.targets);
  };
  return (entry, project) => {
    const plain = plainEntry(entry);
    if (plain) return [plain.dependencies ? plain : { target: plain.target, projects: [project] }];
    const key = JSON.stringify(entry.projects ? entry : [entry, project]); // before Nx changes it
    if (!known.has(key)) known.set(key, byNx(entry, project));
    return known.get(key);
  };
}

/**
 * For each task the ids of those tasks of this command that had to end before it could begin. A task of which that is
 * not known is left out.
 *
 * Nx up to 24 tells plugins neither that nor its graph of tasks. It follows from the graph of projects, which Nx writes
 * down before it runs any task, as in Nx's `create-task-graph.js`: `^build` stands for the builds of what a project
 * depends on and, where one of those projects has none, of what that depends on in turn. What is continuous never
 * ends, so nothing waits for its end. (What 20 makes of two targets of a project that wait for the same target, both
 * beyond a project without it, is the same only where their `dependsOn` is.)
 */
function dependenciesOf(results, nx) {
  const found = new Map();
  if (process.env.NX_CACHE_PROJECT_GRAPH === 'false') return found; // what lies there is old
  const graph = JSON.parse(contentOf(path.join(nx.data, 'project-graph.json'), LARGEST_GRAPH));
  const isProject = (name) => Object.hasOwn(graph.nodes, name); // else an npm package
  const targetsOf = (project) => graph.nodes[project].data.targets || {};
  const expand = expander(graph, nx.src);
  const ids = new Map(); // project -> target -> ids
  for (const [id, { task }] of results) {
    if (!task || !task.target || task.continuous) continue;
    const { project, target } = task.target;
    if (!ids.has(project)) ids.set(project, new Map());
    ids.get(project).set(target, [...(ids.get(project).get(target) || []), id]);
  }
  let [steps, room] = [MOST_STEPS, MOST_DEPENDENCIES];

  const before = (id, { project, target }) => {
    const waits = new Set();
    const add = (other, name) => (ids.get(other)?.get(name) || []).forEach((each) => waits.add(each));
    const wanted = (targetsOf(project)[target].dependsOn || []).flatMap((entry) => expand(entry, project));
    for (const { projects, target: name } of wanted) for (const other of projects || []) add(other, name);
    const names = wanted.filter(({ projects }) => !projects).map((each) => each.target);
    const done = new Map(); // project -> whether what it depends on has been gone through
    const follow = (from) => {
      done.set(from, false);
      for (const { target: other } of graph.dependencies[from] || []) {
        if ((steps -= 1) < 0) throw new Error('too much');
        if (!isProject(other)) continue;
        // Of a circle Nx drops some dependencies, by the order in which it finds them.
        if (done.get(other) === false) throw new Error('a circle');
        const has = targetsOf(other);
        for (const name of names) if (has[name]) add(other, name);
        if (!done.has(other) && names.some((name) => !has[name])) follow(other);
      }
      done.set(from, true);
    };
    if (names.length) follow(project);
    waits.delete(id);
    if ((room -= waits.size) < 0) throw new Error('too many');
    return [...waits];
  };

  for (const [id, { task }] of results) {
    try {
      found.set(id, before(id, task.target));
    } catch {
      // Not in the graph, too much, or something that this Nx words in another way.
    }
  }
  return found;
}

/** The same as a later Nx may hand it over, else from the project graph; empty where neither is to be had. */
function waitsOf(context, nx) {
  const results = Object.entries(context.taskResults || {}).filter(([, result]) => result);
  try {
    const told = context.taskGraph?.dependencies;
    if (!told) return dependenciesOf(results, nx);
    const id = (edge) => string(edge) ?? string(edge?.id); // 24 has objects in its graph
    return new Map(Object.entries(told).map(([task, edges]) => [task, edges.map(id)]));
  } catch {
    return new Map();
  }
}

function taskOf(id, result, waits, nxJson) {
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
    cacheable: cacheableOf(result, nxJson),
    continuous: boolean(task.continuous),
    projectRoot: string(task.projectRoot),
    dependencies: strings(waits.get(id)),
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

function write(file, header, context, find, nx) {
  const { put, putInside, flush } = writer(file);
  const results = Object.entries(context.taskResults || {});
  const waits = waitsOf(context, nx);
  const outputs = path.join(nx.cache, 'terminalOutputs');
  put(`${JSON.stringify(header)}\n`);
  for (const [id, entry] of results) {
    const result = entry || {};
    const output = outputOf(result, outputs);
    put(`${JSON.stringify(taskOf(id, result, waits, context.nxJsonConfiguration)).slice(0, -1)},"output":`);
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
      write(file, header, context, find, nx);
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
 * @param {object} context `taskResults` by task id, `workspaceRoot`, `nxJsonConfiguration`; from 21 on `argv`,
 *   `startTime`, `endTime` (ms)
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
