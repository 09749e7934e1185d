/** JSON as a tree that folds: native disclosure elements, so keyboards and screen readers work by themselves. */
import { element } from './dom.js';

/** Children shown at once; a click shows as many more. */
const childrenShown = 100;
/** Levels that are open at first. */
const openDepth = 2;

/** @param {ReadonlySet<string>} [changed] paths to mark, as `differences` makes them */
export function jsonTree(value, changed = new Set()) {
  return element('div', { class: 'tree' }, node(undefined, value, '', 0, changed));
}

function node(name, value, path, depth, changed) {
  const mark = changed.has(path) ? ' changed' : '';
  const label = name === undefined ? undefined : element('span', { class: 'key' }, name, ': ');
  if (typeof value !== 'object' || value === null) {
    return element('div', { class: `leaf${mark}` }, label, scalar(value));
  }
  const isList = Array.isArray(value);
  const entries = isList ? value.map((part, index) => [String(index), part]) : Object.entries(value);
  const size = isList ? `[${entries.length}]` : `{${entries.length}}`;
  if (entries.length === 0)
    return element('div', { class: `leaf${mark}` }, label, element('span', { class: 'muted' }, isList ? '[ ]' : '{ }'));
  const summary = element(
    'summary',
    { class: mark.trim() || undefined },
    label,
    element('span', { class: 'muted' }, size),
  );
  const branch = element('details', depth < openDepth || hasChangeBelow(path, changed) ? { open: true } : {}, summary);
  let isFilled = false;
  const fill = () => {
    if (isFilled || !branch.open) return;
    isFilled = true;
    grow(branch, entries, 0, path, depth, changed);
  };
  branch.addEventListener('toggle', fill);
  fill();
  return branch;
}

function grow(branch, entries, from, path, depth, changed) {
  for (const [key, part] of entries.slice(from, from + childrenShown))
    branch.append(node(key, part, `${path}/${key}`, depth + 1, changed));
  const left = entries.length - from - childrenShown;
  if (left <= 0) return;
  const more = element('button', { type: 'button', class: 'quiet more' }, `${left} more…`);
  more.addEventListener('click', () => {
    more.remove();
    grow(branch, entries, from + childrenShown, path, depth, changed);
  });
  branch.append(more);
}

function hasChangeBelow(path, changed) {
  for (const each of changed) if (each.startsWith(`${path}/`)) return true;
  return false;
}

/** A value on one line. */
export function scalar(value) {
  if (value === undefined) return element('span', { class: 'muted' }, 'absent');
  const kind = value === null ? 'null' : typeof value;
  const text = JSON.stringify(value);
  return element('span', { class: `value ${kind}` }, text.length > 2_000 ? `${text.slice(0, 2_000)}…` : text);
}
