/** Making elements without markup in strings: nothing that comes from an actor is ever parsed as HTML. */

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [properties] `class`, `on…` listeners, attributes; `false` and `undefined` are left out
 * @param {...(Node | string | number | undefined | false)} children
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(
    ...children
      .filter((child) => child !== undefined && child !== false)
      .map((child) => (child instanceof Node ? child : String(child))),
  );
  return made;
}

/** An SVG element. */
export function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Changes a text only if it differs, so that nothing is laid out or announced again for nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
