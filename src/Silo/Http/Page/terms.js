// The course of a run's terms in time: who computed, who stood by, who was lost and who joined.

import { clock, duration, onWidth, say, shape } from './dom.js';

const LANE = 30;
const LEFT = 76;
const RIGHT = 16;
const BOTTOM = 24;

/** Terms with their silos (some of them standing by), begin and end; and the losses and joins between them, each with its time and step. */
export function history(events, now, ended) {
  const terms = [];
  const changes = [];
  for (const event of events) {
    if (!event.time) continue;
    const time = new Date(event.time);
    const current = terms.at(-1);
    if (event.name === 'term') {
      const [silos, standbys] = [event.silos ?? [], event.standbys ?? []];
      const next = { number: event.term, from: time, to: null, step: event.step, silos, standbys };
      if (current) {
        current.to ??= time;
        const lost = current.silos.filter(name => !silos.includes(name));
        const joined = silos.filter(name => !current.silos.includes(name));
        changes.push(...lost.map(silo => ({ kind: 'lost', silo, time: current.to, step: event.step })));
        changes.push(...joined.map(silo => ({ kind: 'joined', silo, time, step: event.step })));
      }

      terms.push(next);
    } else if (event.name === 'term_ended' && current?.number === event.term) {
      current.to = time;
    }
  }

  const last = terms.at(-1);
  if (last) last.to ??= ended ? new Date(events.at(-1)?.time ?? last.from) : now;
  return { terms, changes };
}

export class Terms {
  #svg;
  #readout;
  #width = 0;
  #shown = { terms: [], changes: [] };

  constructor(plot, readout) {
    this.#readout = readout;
    this.#svg = shape('svg', { role: 'img' });
    plot.append(this.#svg);
    onWidth(plot, width => {
      this.#width = width;
      this.#draw();
    });
  }

  show(shown) {
    this.#shown = shown;
    this.#draw();
  }

  #draw() {
    const { terms, changes } = this.#shown;
    if (this.#width < 120 || terms.length === 0) {
      this.#svg.replaceChildren();
      this.#svg.setAttribute('height', 60);
      return;
    }

    const silos = [...new Set(terms.flatMap(term => term.silos))].sort((one, other) => one.localeCompare(other, 'en', { numeric: true }));
    const height = silos.length * LANE + BOTTOM;
    const [from, to] = [terms[0].from.getTime(), Math.max(terms.at(-1).to.getTime(), terms[0].from.getTime() + 1000)];
    const x = time => LEFT + ((time.getTime() - from) / (to - from)) * (this.#width - LEFT - RIGHT);
    const lane = silo => silos.indexOf(silo) * LANE;
    this.#svg.setAttribute('viewBox', `0 0 ${this.#width} ${height}`);
    this.#svg.setAttribute('height', height);
    this.#svg.replaceChildren(
      ...silos.flatMap(silo => [
        shape('rect', { class: 'lane', x: LEFT, y: lane(silo) + 5, width: this.#width - LEFT - RIGHT, height: LANE - 10, rx: 4 }),
        shape('text', { class: 'name', x: 0, y: lane(silo) + LANE / 2 + 4, text: silo.length > 11 ? silo.slice(0, 10) + '…' : silo }),
      ]),
      ...terms.flatMap(term => term.silos.map(silo => bar(term, silo, x, lane(silo)))),
      ...changes.map(change => mark(change, x(change.time), lane(change.silo) + LANE / 2)),
      ...this.#times(new Date(from), new Date(to), x, height),
    );
    const [lost, joined] = ['lost', 'joined'].map(kind => changes.filter(change => change.kind === kind).length);
    const summary = `${terms.length} ${terms.length === 1 ? 'term' : 'terms'}, ${lost} lost, ${joined} joined`;
    say(this.#readout, `${summary} in ${duration((to - from) / 1000)}`);
    const told = changes.map(change => `${change.silo} ${change.kind} at ${clock(change.time)}`).join(', ');
    this.#svg.setAttribute('aria-label', `${summary}${told && ': '}${told}`);
  }

  #times(from, to, x, height) {
    const count = Math.max(2, Math.min(6, Math.floor((this.#width - LEFT) / 110)));
    return Array.from({ length: count }, (_, i) => new Date(from.getTime() + ((to - from) * i) / (count - 1))).map((time, i) =>
      shape('text', {
        x: x(time),
        y: height - 6,
        'text-anchor': i === 0 ? 'start' : i === count - 1 ? 'end' : 'middle',
        text: clock(time),
      }));
  }
}

function bar(term, silo, x, top) {
  const computes = !term.standbys.includes(silo);
  const begin = x(term.from);
  return shape(
    'rect',
    {
      class: computes ? `computes${term.number % 2 ? '' : ' odd'}` : 'stands-by',
      x: begin.toFixed(1),
      y: top + (computes ? 5 : 8),
      width: Math.max(1.5, x(term.to) - begin - 0.5).toFixed(1),
      height: LANE - (computes ? 10 : 16),
      rx: 3,
    },
    shape('title', {
      text: `term ${term.number}: ${silo} ${computes ? 'computes' : 'stands by'}, from ${clock(term.from)}, step ${term.step}`,
    }));
}

function mark(change, x, y) {
  const title = shape('title', { text: `${change.silo} ${change.kind} at ${clock(change.time)}, step ${change.step}` });
  const sign = change.kind === 'lost'
    ? shape('path', { class: 'lost', d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` })
    : shape('path', { class: 'joined', d: `M${x} ${y - 6}l6 6l-6 6l-6 -6z` });
  return shape('g', {}, shape('circle', { class: 'halo', cx: x, cy: y, r: 8 }), sign, title);
}
