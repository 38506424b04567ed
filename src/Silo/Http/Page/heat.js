// λ of every decoder layer over the steps: below a half rotation has the upper hand, above it the low-rank update.

import { element, onWidth, say, whole } from './dom.js';

const LEFT = 52;
const RIGHT = 14;
const BOTTOM = 24;
const REACH = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5];

export class Heat {
  #canvas;
  #readout;
  #low;
  #high;
  #points = [];
  #width = 0;
  #at = null;

  constructor(plot, readout, low, high) {
    this.#readout = readout;
    this.#low = low;
    this.#high = high;
    this.#canvas = element('canvas', { role: 'img', tabindex: 0 });
    plot.append(this.#canvas);
    this.#canvas.addEventListener('pointermove', event => this.#point(event));
    this.#canvas.addEventListener('pointerleave', () => this.#choose(null));
    this.#canvas.addEventListener('blur', () => this.#choose(null));
    this.#canvas.addEventListener('keydown', event => this.#key(event));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
    onWidth(plot, width => {
      this.#width = width;
      this.#draw();
    });
  }

  show(points) {
    this.#points = points.filter(point => point.lambda.length > 0);
    this.#draw();
  }

  get #layers() {
    return this.#points[0]?.lambda.length ?? 0;
  }

  get #row() {
    return this.#layers <= 6 ? 26 : this.#layers <= 16 ? 16 : this.#layers <= 40 ? 10 : 6;
  }

  #key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === 'Escape') this.#choose(null);
    if (!move || this.#points.length === 0) return;
    event.preventDefault();
    const [column, layer] = this.#at ?? [this.#points.length - 1, 0];
    this.#choose([
      Math.min(Math.max(column + move[0], 0), this.#points.length - 1),
      Math.min(Math.max(layer + move[1], 0), this.#layers - 1),
    ]);
  }

  #point(event) {
    const column = Math.floor(((event.offsetX - LEFT) / (this.#width - LEFT - RIGHT)) * this.#points.length);
    const layer = Math.floor(event.offsetY / this.#row);
    const within = column >= 0 && column < this.#points.length && layer >= 0 && layer < this.#layers;
    this.#choose(within ? [column, layer] : null);
  }

  #choose(at) {
    this.#at = at;
    this.#draw();
  }

  #draw() {
    if (this.#width < 80 || this.#points.length === 0) return;
    const [columns, layers, row] = [this.#points.length, this.#layers, this.#row];
    const height = layers * row + BOTTOM;
    const ratio = devicePixelRatio || 1;
    this.#canvas.width = Math.round(this.#width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    this.#canvas.style.height = `${height}px`;
    const draw = this.#canvas.getContext('2d');
    draw.scale(ratio, ratio);
    const values = this.#points.flatMap(point => point.lambda).filter(Number.isFinite);
    const far = Math.max(...values.map(value => Math.abs(value - 0.5)));
    const reach = REACH.find(candidate => candidate >= far) ?? 0.5;
    const colour = colours(this.#canvas);
    const wide = (this.#width - LEFT - RIGHT) / columns;
    this.#points.forEach((point, i) => point.lambda.forEach((value, layer) => {
      if (!Number.isFinite(value)) return;
      draw.fillStyle = colour.of((value - 0.5) / reach);
      draw.fillRect(LEFT + i * wide, layer * row, wide + 0.6, row - 1);
    }));
    this.#labels(draw, colour, columns, layers, row, height);
    if (this.#at) {
      draw.strokeStyle = colour.ink;
      draw.lineWidth = 1.5;
      draw.strokeRect(LEFT + this.#at[0] * wide - 1, this.#at[1] * row - 0.5, Math.max(wide, 3) + 2, row);
    }

    this.#tell(reach);
  }

  #labels(draw, colour, columns, layers, row, height) {
    draw.fillStyle = colour.quiet;
    draw.font = `11px ${getComputedStyle(this.#canvas).fontFamily}`;
    draw.textAlign = 'right';
    const every = Math.ceil(14 / row);
    for (let layer = 0; layer < layers; layer += every) {
      draw.fillText(layer === 0 ? 'layer 0' : `${layer}`, LEFT - 8, layer * row + Math.min(row, 14) / 2 + 4);
    }

    const [from, to] = [this.#points[0].first, this.#points.at(-1).last];
    draw.textAlign = 'left';
    draw.fillText(`step ${whole(from)}`, LEFT, height - 6);
    if (columns > 1) {
      draw.textAlign = 'right';
      draw.fillText(whole(to), this.#width - RIGHT, height - 6);
    }
  }

  #tell(reach) {
    say(this.#low, (0.5 - reach).toFixed(2));
    say(this.#high, (0.5 + reach).toFixed(2));
    const last = this.#points.at(-1);
    this.#canvas.setAttribute(
      'aria-label',
      `λ at step ${last.last}, by layer: ${last.lambda.map((value, layer) => `${layer}: ${value?.toFixed(3)}`).join(', ')}. `
        + 'Arrow keys read single cells.');
    if (!this.#at) return say(this.#readout, '');
    const [column, layer] = this.#at;
    const point = this.#points[Math.min(column, this.#points.length - 1)];
    say(this.#readout, `layer ${layer}, step ${whole(point.last)}: λ ${point.lambda[layer]?.toFixed(4) ?? 'not finite'}`);
  }
}

/** The colours of the page's present dress; −1 is low, 1 is high. */
function colours(node) {
  const style = getComputedStyle(node);
  const parts = name => {
    const text = style.getPropertyValue(name).trim();
    return [1, 3, 5].map(i => parseInt(text.slice(i, i + 2), 16));
  };
  const [low, middle, high] = ['--heat-low', '--heat-middle', '--heat-high'].map(parts);
  return {
    ink: style.getPropertyValue('--ink'),
    quiet: style.getPropertyValue('--quiet'),
    of: value => {
      const far = Math.min(1, Math.abs(value));
      const end = value < 0 ? low : high;
      return `rgb(${middle.map((part, i) => Math.round(part + (end[i] - part) * far)).join(' ')})`;
    },
  };
}
