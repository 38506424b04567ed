// Events as sentences, the newest first.

import { clock, element, keyed, say } from './dom.js';

const MOST = 120;
const SIGNS = {
  term: ['▸', 'accent'],
  term_ended: ['✕', 'bad'],
  evicted: ['✕', 'bad'],
  left_out: ['✕', 'bad'],
  started: ['▸', 'good'],
  recovered: ['✓', 'good'],
  continued: ['✓', 'good'],
  joining: ['◆', 'good'],
  adapter: ['★', 'good'],
  best: ['★', 'accent'],
};

export function showEvents(list, events) {
  const kept = [];
  for (const event of [...events].reverse()) {
    // Of snapshots in a row the last one is news.
    const before = kept.at(-1);
    if (event.name === 'snapshot' && before?.name === 'snapshot') kept[kept.length - 1] = { ...before, others: (before.others ?? 0) + 1 };
    else kept.push(event);
  }

  keyed(list, kept.slice(0, MOST), event => event.number, make, (item, event) => {
    const others = event.others ? ` (and ${event.others} before it)` : '';
    say(item.children[2], event.sentence + others);
  });
}

function make(event) {
  const [sign, kind] = SIGNS[event.name] ?? ['·', ''];
  const time = event.time ? new Date(event.time) : null;
  return element('li', {},
    element('time', { datetime: event.time, title: time?.toLocaleString(), text: time ? clock(time) : '' }),
    element('b', { class: kind, 'aria-hidden': 'true', text: sign }),
    element('span'));
}
