// The silos of the cluster, and which layers each holds of the run.

import { element, keyed, ranges, say } from './dom.js';

const WORDS = { Active: 'alive', Dead: 'gone', Joining: 'joining', ShuttingDown: 'leaving', Stopping: 'leaving', Created: 'starting' };

/** `self`: the silo that serves this page. */
export function showSilos(list, silos, self) {
  const layers = Math.max(0, ...silos.flatMap(silo => silo.layers)) + 1;
  const several = new Set(silos.map(silo => silo.replica ?? 0)).size > 1;
  const sorted = [...silos].sort((one, other) => one.name.localeCompare(other.name, 'en', { numeric: true }));
  keyed(list, sorted, silo => silo.name, make, (item, silo) => {
    item.dataset.state = silo.state;
    const [who, holds, seats, where] = item.children;
    say(who.children[0], silo.name);
    say(who.children[1], WORDS[silo.state] ?? silo.state);
    who.children[1].dataset.state = silo.state in WORDS && (silo.state === 'Active' || silo.state === 'Dead') ? silo.state : 'other';
    const replica = silo.replica === null || !several ? '' : `, replica ${silo.replica}`;
    say(holds, silo.layers.length > 0 ? `layers ${ranges(silo.layers)}${replica}` : silo.state === 'Active' ? 'stands by' : '');
    showSeats(seats, silo, layers);
    showPlace(where, silo, self);
  });
}

function make() {
  return element('li', {},
    element('p', { class: 'who' }, element('span'), element('span', { class: 'what' })),
    element('p', { class: 'holds' }),
    element('div', { class: 'seats', 'aria-hidden': 'true' }),
    element('p', { class: 'where' }));
}

function showSeats(seats, silo, layers) {
  const held = new Set(silo.layers);
  const drawn = `${layers}:${silo.layers.join()}`;
  if (seats.dataset.drawn === drawn) return;
  seats.dataset.drawn = drawn;
  seats.style.gridTemplateColumns = `repeat(${layers}, minmax(0, 1fr))`;
  seats.style.gap = layers > 48 ? '1px' : '';
  seats.replaceChildren(...Array.from({ length: layers }, (_, layer) => element('i', { class: held.has(layer) ? 'held' : null })));
}

function showPlace(where, silo, self) {
  const memory = silo.residentBytes > 0 ? `${Math.round(silo.residentBytes / 1048576).toLocaleString('en')} MiB, ` : '';
  const text = `${memory}${silo.pid > 0 ? `process ${silo.pid} ` : ''}at ${silo.address}`;
  const link = silo.name === self || !silo.page ? null : silo.page;
  const drawn = `${text}|${link}|${silo.name === self}`;
  if (where.dataset.drawn === drawn) return;
  where.dataset.drawn = drawn;
  where.replaceChildren(
    text,
    silo.name === self ? ', serves this page' : '',
    link ? ', ' : '',
    link ? element('a', { href: link, text: 'its page' }) : '');
}
