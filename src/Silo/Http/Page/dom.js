// Elements without markup in strings, and numbers as people read them.

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes and children; `text` is its text. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same of a drawing. */
export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'text') node.textContent = value;
    else node.setAttribute(key, value === true ? '' : value);
  }

  node.append(...children.filter(child => child));
  return node;
}

export const find = id => document.getElementById(id);

/** Changes a text only where it changes: readers of the screen are told of changes. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Keeps a list's items by key, so that what has the focus keeps it. */
export function keyed(list, items, key, make, update) {
  const there = new Map([...list.children].map(child => [child.dataset.key, child]));
  items.forEach((item, i) => {
    const name = String(key(item));
    let node = there.get(name);
    if (!node) {
      node = make(item);
      node.dataset.key = name;
    }

    there.delete(name);
    update(node, item);
    if (list.children[i] !== node) list.insertBefore(node, list.children[i] ?? null);
  });
  for (const gone of there.values()) gone.remove();
}

export const whole = value => value.toLocaleString('en', { maximumFractionDigits: 0 });

/** Four significant digits. */
export function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return 'not finite';
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(2);
  return Math.abs(value) >= 1000 ? whole(value) : value.toPrecision(4);
}

const two = value => String(value).padStart(2, '0');

/** Time of day, local. */
export const clock = time => `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86400).toFixed(1)} days`;
}

/** Ranges of numbers: 0–3, 6. */
export function ranges(numbers) {
  const parts = [];
  for (const number of numbers) {
    const last = parts.at(-1);
    if (last && last[1] + 1 === number) last[1] = number;
    else parts.push([number, number]);
  }

  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
}

/** Calls back with an element's width, now and whenever it changes. */
export function onWidth(node, draw) {
  new ResizeObserver(() => draw(node.clientWidth)).observe(node);
}
