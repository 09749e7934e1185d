/** What an event changed in a state. */

const differencesMax = 200;

/** @returns {{ path: string, before: unknown, after: unknown }[]} paths like `/items/tea`; `undefined` stands for absent */
export function differences(before, after, path = '', found = []) {
  if (found.length >= differencesMax || before === after) return found;
  const areObjects = isObject(before) && isObject(after) && Array.isArray(before) === Array.isArray(after);
  if (!areObjects) {
    if (JSON.stringify(before) !== JSON.stringify(after)) found.push({ path, before, after });
    return found;
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
    differences(before[key], after[key], `${path}/${key}`, found);
  return found;
}

function isObject(value) {
  return typeof value === 'object' && value !== null;
}
