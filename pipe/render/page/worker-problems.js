/* Where a log says what is wrong: its lines that tell why the task failed, and those with the problems in files. */

const SHORT = 4; // characters: what is shorter stands everywhere
const APART = 10; // lines between two places that are not of one failure
const PATIENCE = 500; // milliseconds; what is not found by then is not looked for

/* Give, as {line, column}, the place of each problem, null where there is none, and `stops`, the places to go to one after
   the other, which are `warnings` where there is no error; and `marked`, the numbers of all lines that tell something. */
function locate(text, telling, problems) {
  const until = performance.now() + PATIENCE;
  const told = inOrder(telling, (line, from) => lineLike(text, line, from), until).filter(Boolean);
  const found = inOrder(problems, (problem, from) => problemAt(text, problem, told, from), until);
  const errors = found.filter((place, at) => place && problems[at].severity === "error");
  const chosen = errors.length ? errors : found.filter(Boolean);
  const [lines, places, all] = [told, chosen, found].map(each => placesOf(text, each));
  const marked = [...lines, ...places].map(place => place.line);
  return { problems: all, stops: stops(lines, places), warnings: !lines.length && !errors.length, marked };
}

/* Look for one after the other, each behind the one before; what is not there may stand further up. */
function inOrder(wanted, find, until) {
  let from = 0;
  return wanted.map(each => {
    if (performance.now() > until) return null;
    const next = find(each, from);
    if (next) from = next.end;
    return next ?? (from ? find(each, 0) : null);
  });
}

/* The first line that is a telling one, apart from the spaces around it, else one that holds it. */
function lineLike(text, line, from) {
  const words = line.trim().replace(/^…|…$/g, "");
  if (words.length < SHORT) return null;
  const first = text.indexOf(words, from);
  let at = first;
  for (let tries = 0; at >= 0 && tries < 1000; tries++) {
    const begins = text.lastIndexOf("\n", at) + 1;
    const end = text.indexOf("\n", at);
    const around = text.slice(begins, at) + text.slice(at + words.length, end < 0 ? text.length : end);
    if (!around.trim()) break;
    at = text.indexOf(words, at + 1);
  }
  const found = at >= 0 ? at : first;
  return found < 0 ? null : { at: found, end: found + words.length, words };
}

/* A problem by its message, by the name of the test in it, or by its file and line: in a telling line rather than another.
   What a frame of the stack tells of begins where the telling lines do. */
function problemAt(text, { path, line, message }, told, from) {
  const [said] = message.split("; ");
  const file = path.slice(path.lastIndexOf("/") + 1);
  const names = [said, said.split(": ")[0]].map(name => name.slice(0, 120)).filter(name => name.length >= SHORT);
  const places = line ? [`${file}:${line}`, `${file}(${line}`] : [];
  const first = told.findIndex(each => each.at >= from);
  for (const words of first < 0 ? [] : [...names, ...places]) {
    const found = told.slice(first).find(each => each.words.includes(words));
    const begins = found && /^\S*$/.test(found.words.slice(0, found.words.indexOf(words)));
    if (found) return { at: (begins || names.includes(words) ? found : told[first]).at, end: found.end };
  }
  for (const words of [...names, ...places]) {
    const at = text.indexOf(words, from);
    if (at >= 0) return { at, end: at + words.length };
  }
  return null;
}

/* The lines and columns of some places, for which the lines are counted but once. */
function placesOf(text, found) {
  const placed = new Map();
  let line = 1;
  let counted = 0;
  for (const at of found.filter(Boolean).map(place => place.at).sort((one, other) => one - other)) {
    line += newlines(text, counted, at);
    counted = at;
    placed.set(at, { line, column: at - (text.lastIndexOf("\n", at - 1) + 1) });
  }
  return found.map(place => place && placed.get(place.at));
}

/* All problems; and of several telling lines that stand together without one, the first, a single one only if it is all. */
function stops(told, problems) {
  const taken = new Set(problems.map(problem => problem.line));
  const groups = [];
  for (const place of [...told, ...problems].sort(byLine)) {
    if (groups.length && place.line <= groups.at(-1).at(-1).line + APART) groups.at(-1).push(place);
    else groups.push([place]);
  }
  const others = groups.filter(group => !group.some(place => taken.has(place.line)));
  const several = others.filter(group => group.length > 1);
  const firsts = (several.length || problems.length ? several : others).map(group => group[0]);
  return [...new Map([...firsts, ...problems].map(place => [place.line, place])).values()].sort(byLine);
}

const byLine = (one, other) => one.line - other.line;
