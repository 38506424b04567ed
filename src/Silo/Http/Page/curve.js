// A curve over steps: what each step had, smoothed, with marks where silos were lost and joined.

import { element, onWidth, say, shape, short, whole } from './dom.js';

const HEIGHT = 230;
const LEFT = 52;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 26;

export class Curve {
  #plot;
  #readout;
  #options;
  #points = [];
  #marks = [];
  #width = 0;
  #at = null;
  #svg;

  /** `options`: title, kind (loss, norm), value, low, high, dot: of a point. */
  constructor(plot, readout, options) {
    this.#plot = plot;
    this.#readout = readout;
    this.#options = options;
    this.#svg = shape('svg', { height: HEIGHT, role: 'img', tabindex: 0 });
    plot.append(this.#svg);
    this.#svg.addEventListener('pointermove', event => this.#point(event.offsetX));
    this.#svg.addEventListener('pointerleave', () => this.#choose(null));
    this.#svg.addEventListener('blur', () => this.#choose(null));
    this.#svg.addEventListener('keydown', event => this.#key(event));
    onWidth(plot, width => {
      this.#width = width;
      this.#draw();
    });
  }

  /** `marks`: steps at which something happened, { step, kind, text }. */
  show(points, marks) {
    this.#points = points;
    this.#marks = marks;
    this.#draw();
  }

  #key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (event.key === 'Escape') this.#choose(null);
    if (!by || this.#points.length === 0) return;
    event.preventDefault();
    this.#choose(Math.min(Math.max((this.#at ?? (by < 0 ? this.#points.length : -1)) + by, 0), this.#points.length - 1));
  }

  #point(x) {
    if (this.#points.length === 0) return;
    const step = this.#stepAt(x);
    let best = 0;
    this.#points.forEach((point, i) => {
      if (Math.abs(point.last - step) < Math.abs(this.#points[best].last - step)) best = i;
    });
    this.#choose(best);
  }

  #choose(at) {
    if (this.#at === at) return;
    this.#at = at;
    this.#draw();
  }

  get #span() {
    const from = this.#points[0].first;
    return [from, Math.max(this.#points.at(-1).last, from + 1)];
  }

  #x(step) {
    const [from, to] = this.#span;
    return LEFT + ((step - from) / (to - from)) * (this.#width - LEFT - RIGHT);
  }

  #stepAt(x) {
    const [from, to] = this.#span;
    return from + ((x - LEFT) / (this.#width - LEFT - RIGHT)) * (to - from);
  }

  #draw() {
    const { value, low, high, dot, title, kind } = this.#options;
    if (this.#width < 80) return;
    this.#svg.setAttribute('viewBox', `0 0 ${this.#width} ${HEIGHT}`);
    const known = this.#points.filter(point => value(point) !== null);
    if (known.length === 0) {
      this.#svg.replaceChildren(shape('text', { x: LEFT, y: HEIGHT / 2, text: 'after the first step' }));
      this.#svg.setAttribute('aria-label', `${title}: no step yet`);
      return;
    }

    const smooth = smoothed(known.map(value));
    const all = known.flatMap(point => [low(point), high(point), dot?.(point)]).filter(Number.isFinite);
    const axis = scale(Math.min(...all), Math.max(...all));
    const y = number => TOP + (1 - (number - axis.from) / (axis.to - axis.from)) * (HEIGHT - TOP - BOTTOM);
    const at = (point, number) => `${this.#x(point.last).toFixed(1)} ${y(number).toFixed(1)}`;
    const line = values => values.map((number, i) => `${i ? 'L' : 'M'}${at(known[i], number)}`).join('');
    const band = line(known.map(high)) + known.map(point => `L${at(point, low(point))}`).reverse().join('') + 'Z';
    const wide = known.some(point => point.first !== point.last);
    this.#svg.replaceChildren(
      ...axis.ticks.flatMap(tick => [
        shape('line', { class: 'gridline', x1: LEFT, x2: this.#width - RIGHT, y1: y(tick), y2: y(tick) }),
        shape('text', { x: LEFT - 8, y: y(tick) + 4, 'text-anchor': 'end', text: axis.label(tick) }),
      ]),
      ...this.#steps(),
      ...this.#marks
        .filter(mark => mark.step >= this.#span[0] && mark.step <= this.#span[1])
        .map(mark => shape(
          'line',
          { class: `${mark.kind}-mark`, x1: this.#x(mark.step), x2: this.#x(mark.step), y1: TOP, y2: HEIGHT - BOTTOM },
          shape('title', { text: mark.text }))),
      ...(wide ? [shape('path', { class: `band ${kind}-fill`, d: band })] : []),
      shape('path', { class: `raw ${kind}-line`, d: line(known.map(value)) }),
      shape('path', { class: `smooth ${kind}-line`, d: line(smooth) }),
      ...(dot ? known.filter(point => dot(point) !== null) : []).map(point =>
        shape('circle', { class: 'validation-dot', cx: this.#x(point.last), cy: y(dot(point)), r: 4 })),
      ...this.#cross(y),
    );
    const [first, last] = [known[0], known.at(-1)];
    this.#svg.setAttribute(
      'aria-label',
      `${title}: ${short(value(first))} at step ${first.last}, ${short(value(last))} at step ${last.last}. Arrow keys read single steps.`);
    say(this.#readout, this.#text(this.#points[this.#at] ?? null));
  }

  #text(point) {
    if (!point) return '';
    const { value, dot } = this.#options;
    const steps = point.first === point.last ? `step ${whole(point.last)}` : `steps ${whole(point.first)} to ${whole(point.last)}`;
    const validation = dot && dot(point) !== null ? `, validation ${short(dot(point))}` : '';
    return `${steps}: ${short(value(point))}${validation}`;
  }

  #cross(y) {
    const point = this.#points[this.#at];
    if (!point || this.#options.value(point) === null) return [];
    const x = this.#x(point.last);
    return [
      shape('line', { class: 'cross', x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }),
      shape('circle', { class: `${this.#options.kind}-fill`, cx: x, cy: y(this.#options.value(point)), r: 4 }),
    ];
  }

  #steps() {
    const [from, to] = this.#span;
    const count = Math.max(2, Math.min(8, Math.floor((this.#width - LEFT) / 90)));
    const size = nice((to - from) / count, true);
    const ticks = [];
    for (let step = Math.ceil(from / size) * size; step <= to; step += size) ticks.push(step);
    return ticks.map(step =>
      shape('text', { x: this.#x(step), y: HEIGHT - 6, 'text-anchor': 'middle', text: whole(step) }));
  }
}

/** What a curve's lines mean. */
export function legend(list, kind, validation) {
  list.replaceChildren(
    element('li', {}, element('i', { class: `key ${kind}` }), 'smoothed'),
    element('li', {}, element('i', { class: `key thin ${kind}` }), 'each step'),
    ...(validation ? [element('li', {}, element('i', { class: 'key validation' }), 'validation')] : []),
    element('li', {}, element('i', { class: 'key lost' }), 'a silo was lost'),
    element('li', {}, element('i', { class: 'key joined' }), 'a silo joined'),
  );
}

/** A mean over neighbours on both sides, with the weights of a bell: it lags behind nothing. */
function smoothed(values) {
  const reach = Math.min(12, Math.floor(values.length / 12));
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-4.5 * ((i - reach) / (reach + 1)) ** 2));
  return values.map((_, at) => {
    // As many to the left as to the right, or the ends would be drawn to the middle.
    const side = Math.min(reach, at, values.length - 1 - at);
    let sum = 0;
    let weight = 0;
    for (let by = -side; by <= side; by++) {
      sum += weights[by + reach] * values[at + by];
      weight += weights[by + reach];
    }

    return sum / weight;
  });
}

/** 1, 2 or 5 times a power of ten (of steps 2.5 times, too), no smaller than given. */
function nice(size, integer) {
  const power = 10 ** Math.floor(Math.log10(size));
  const factors = integer && power >= 10 ? [1, 2, 2.5, 5, 10] : [1, 2, 5, 10];
  const found = factors.map(factor => factor * power).find(candidate => candidate >= size * 0.999);
  return integer ? Math.max(1, Math.round(found)) : found;
}

function scale(low, high) {
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  const [bottom, top] = [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
  const size = nice((top - bottom) / 6, false);
  const ticks = [];
  for (let tick = Math.ceil(bottom / size); tick * size <= top; tick++) ticks.push(tick * size);
  const digits = Math.max(0, Math.min(8, -Math.floor(Math.log10(size))));
  return { from: bottom, to: top, ticks, label: tick => (Math.abs(tick) >= 1e5 ? tick.toExponential(0) : tick.toFixed(digits)) };
}
