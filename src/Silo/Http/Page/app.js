// The page to watch: asks its silo once a second, draws what has changed, and says when nobody answers.

import { Refused, Regrouping, Silent, ask, living } from './cluster.js';
import { Curve, legend } from './curve.js';
import { clock, duration, element, find, keyed, say, short, whole } from './dom.js';
import { showEvents } from './events.js';
import { Heat } from './heat.js';
import { showSilos } from './silos.js';
import { Terms, history } from './terms.js';

const POLL = 1000;
const HIDDEN = 5000;

const loss = new Curve(find('loss'), find('loss-readout'), {
  title: 'Loss',
  kind: 'loss',
  value: point => point.loss,
  low: point => point.low,
  high: point => point.high,
  dot: point => point.validation,
});
const norm = new Curve(find('norm'), find('norm-readout'), {
  title: 'Gradient norm',
  kind: 'norm',
  value: point => point.norm,
  low: point => point.norm,
  high: point => point.normHigh,
});
const heat = new Heat(find('lambda'), find('lambda-readout'), find('lambda-low'), find('lambda-high'));
const terms = new Terms(find('terms'), find('terms-readout'));

let self = '';
let pages = [];
let answered = null;
let silent = 0;
let shown = null;

/** What is known of the run that is shown. */
class Watched {
  points = [];
  width = 0;
  events = [];
  pace = [];
  subject = null;

  constructor(id) {
    this.id = id;
    this.path = `api/runs/${encodeURIComponent(id)}`;
  }

  async refresh() {
    const news = await ask(this.path);
    if (!news) return null;
    this.subject ??= await ask(`${this.path}/subject`);
    await this.#steps();
    await this.#events();
    const now = performance.now();
    this.pace.push([now, news.run.step]);
    while (this.pace.length > 2 && now - this.pace[0][0] > 60000) this.pace.shift();
    return news;
  }

  /** Seconds until the last step, by the pace of the last minute; null: not known. */
  left(run) {
    const [[begun, step], [now, reached]] = [this.pace[0], this.pace.at(-1)];
    return reached > step && now - begun > 3000 ? ((run.steps - reached) * (now - begun)) / (reached - step) / 1000 : null;
  }

  async #steps() {
    const known = this.points.at(-1)?.last ?? 0;
    const course = await ask(`${this.path}/steps?after=${known}&width=${this.width}`);
    if (!course) return;
    this.width = course.width;
    if (course.whole) this.points = course.points;
    for (const point of course.whole ? [] : course.points) {
      if (this.points.at(-1)?.first === point.first) this.points.pop();
      this.points.push(point);
    }
  }

  async #events() {
    const news = await ask(`${this.path}/events?after=${this.events.at(-1)?.number ?? 0}`);
    if (news) this.events = [...this.events, ...news].slice(-600);
  }
}

/** The run named in the address; else one that goes on, else the newest. */
function chosen(runs) {
  const named = /^#\/runs\/([^/]+)/.exec(location.hash);
  const id = named && decodeURIComponent(named[1]);
  return runs.find(run => run.id === id) ?? runs.find(run => !hasEnded(run)) ?? runs[0] ?? null;
}

const hasEnded = run => ['completed', 'failed', 'stopped'].includes(run.state);

function showRuns(runs, current) {
  keyed(find('runs'), runs, run => run.id, run => element('li', {}, element('a', { href: `#/runs/${encodeURIComponent(run.id)}` },
    element('span', { class: 'name', text: run.id, title: run.id }),
    element('span', { class: 'word' }),
    element('span', { class: 'bar', 'aria-hidden': 'true' }, element('i')))), (item, run) => {
    const [link] = item.children;
    if (run === current) link.setAttribute('aria-current', 'true');
    else link.removeAttribute('aria-current');
    say(link.children[1], run.state);
    link.children[2].firstChild.style.transform = `scaleX(${run.steps ? run.step / run.steps : 0})`;
  });
}

function showRun(watched, { run, silos, now }) {
  document.title = `${run.id} · ${run.state}${run.steps ? ` ${Math.floor((100 * run.step) / run.steps)} %` : ''}`;
  say(find('title'), run.id);
  say(find('state'), run.state);
  find('state').dataset.state = run.state;
  say(find('subject'), watched.subject ? `${watched.subject.method} on ${watched.subject.model}` : '');
  const progress = find('progress');
  progress.max = run.steps || 1;
  progress.value = run.step;
  const left = hasEnded(run) ? null : watched.left(run);
  say(find('progress-text'), run.steps ? `step ${whole(run.step)} of ${whole(run.steps)}` : 'not begun');
  say(find('left'), left === null ? '' : `about ${duration(left)} left`);
  say(find('message'), run.message === 'training' ? '' : run.message);
  const { terms: past, changes } = history(watched.events, new Date(now), hasEnded(run));
  showFigures(watched, run, silos);
  const marks = changes.map(change => ({ ...change, text: `${change.silo} ${change.kind}` }));
  loss.show(watched.points, marks);
  norm.show(watched.points, marks);
  find('lambda-section').hidden = !watched.points.some(point => point.lambda.length > 0);
  heat.show(watched.points);
  legend(find('loss-legend'), 'loss', watched.points.some(point => point.validation !== null));
  legend(find('norm-legend'), 'norm', false);
  showSilos(find('silos'), silos, self);
  terms.show({ terms: past, changes });
  showEvents(find('events'), watched.events);
}

function showFigures(watched, run, silos) {
  const last = watched.points.at(-1);
  const alive = silos.filter(silo => silo.state === 'Active').length;
  const figures = [
    ['loss', 'Loss', run.loss === null ? '–' : short(run.loss)],
    ['norm', 'Gradient norm', last ? short(last.norm) : '–'],
    run.validationLoss === null ? null : ['validation', 'Validation loss', short(run.validationLoss)],
    ['pace', 'Tokens a second', run.tokensPerSecond ? whole(run.tokensPerSecond) : '–'],
    last ? ['rate', 'Learning rate', last.rate === null ? '–' : Number(last.rate.toPrecision(3)).toString()] : null,
    ['silos', 'Silos alive', `${alive}`],
    ['term', 'Term', `${run.term}`],
    ['recoveries', 'Recoveries', `${run.recoveries}`],
    run.evaluationBefore === null
      ? null
      : ['exact', 'Exact match', [run.evaluationBefore, run.evaluationAfter].filter(part => part !== null)
        .map(part => `${(100 * part).toFixed(1)} %`).join(' → ')],
  ].filter(figure => figure);
  keyed(find('figures'), figures, figure => figure[0],
    ([kind, name]) => element('div', { class: `figure-${kind}` }, element('dt', { text: name }), element('dd')),
    (item, figure) => say(item.lastChild, figure[2]));
}

function connection(state, text) {
  find('connection').dataset.state = state;
  say(find('connection'), text);
}

function notice(kind, ...content) {
  const node = find('notice');
  const text = content.map(part => part.textContent ?? part).join('');
  if (node.textContent === text && !node.hidden) return;
  node.hidden = content.length === 0;
  node.className = `notice ${kind}`;
  node.replaceChildren(...content);
}

async function tick() {
  if (!self) {
    const cluster = await ask('api/cluster');
    self = cluster.silo;
    remember(cluster.silos);
  }

  const runs = await ask('api/runs');
  const current = chosen(runs);
  showRuns(runs, current);
  find('empty').hidden = current !== null;
  find('detail').hidden = current === null;
  if (current) {
    if (shown?.id !== current.id) shown = new Watched(current.id);
    const news = await shown.refresh();
    if (news) {
      remember(news.silos);
      showRun(shown, news);
    }
  }

  answered = new Date();
  silent = 0;
  connection('live', `live from ${self}`);
  const from = /\/from\/([^/]+)$/.exec(location.hash);
  if (from) notice('', `${decodeURIComponent(from[1])} stopped answering; this is ${self}, which goes on showing the same.`);
  else notice('');
}

/** Where the others show the same, for when this silo is gone. */
function remember(silos) {
  pages = silos.filter(silo => silo.page && silo.name !== self).map(silo => [silo.name, silo.page]);
}

async function lost(error) {
  const since = answered ? clock(answered) : null;
  if (error instanceof Regrouping) {
    connection('regrouping', `${self || 'the silo'} answers, the cluster is regrouping`);
    return;
  }

  if (error instanceof Refused) {
    connection('lost', `the silo refuses: ${error.message}`);
    return;
  }

  silent++;
  connection('lost', `${self || 'the silo'} does not answer; trying again`);
  if (!since) return;
  const where = shown ? `#/runs/${encodeURIComponent(shown.id)}` : '#';
  notice(
    'bad',
    `${self} has not answered since ${since}; what is shown is of then. `,
    pages.length > 0 ? 'The others may: ' : 'Ask at a terminal: ',
    ...(pages.length > 0
      ? pages.map(([name, page]) => element('a', { href: page + where, text: name }))
      : [element('code', { text: `peft-client describe run ${shown?.id ?? 'RUN'}` })]));
  if (silent < 2) return;
  const next = await living(pages.map(([, page]) => page));
  if (next) location.replace(`${next}${where}${shown ? '' : '/'}/from/${encodeURIComponent(self)}`);
}

let timer = 0;
let busy = false;

async function watch() {
  if (busy) return;
  busy = true;
  clearTimeout(timer);
  try {
    await tick();
  } catch (error) {
    if (!(error instanceof Regrouping || error instanceof Refused || error instanceof Silent)) console.error(error);
    await lost(error);
  } finally {
    busy = false;
    timer = setTimeout(watch, document.hidden ? HIDDEN : POLL);
  }
}

addEventListener('hashchange', watch);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) watch();
});
watch();
