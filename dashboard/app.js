/** The page: keeps the parts in step with the address and the node. */
import { actorView } from './actor-view.js';
import { Browser } from './browser.js';
import { readCluster } from './cluster.js';
import { byId, element, setText } from './dom.js';
import { formatUptime } from './format.js';
import { metricTiles } from './metrics.js';

const everyMs = 1_000;
/** The list of actors changes more slowly than the figures and the cluster. */
const slowEvery = 5;
const themeKey = 'greenroom.theme';

const narrow = matchMedia('(max-width: 780px)');
const browser = new Browser();
let figures = new Map();
const readFigures = metricTiles(byId('tiles'), (now) => {
  figures = now;
});
let leaveActor = () => {};
let shownHash;

function show() {
  if (shownHash === location.hash) return;
  shownHash = location.hash;
  const [type, id] = location.hash.slice(2).split('/').map(decode);
  const known = browser.choose(type, id);
  leaveActor();
  leaveActor = () => {};
  const root = byId('inspector');
  if (!known || !id) root.replaceChildren(...welcome(known));
  else {
    leaveActor = actorView(root, known, id, () => browser.load());
    // Where the list stands above the actor, choosing one goes to it.
    if (narrow.matches) root.scrollIntoView({ block: 'start' });
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function welcome(type) {
  if (!type)
    return [
      element(
        'div',
        { class: 'panel empty' },
        element('h2', {}, 'No actor types'),
        element('p', { class: 'muted' }, 'This node was started without actor classes.'),
      ),
    ];
  const commands = element(
    'ul',
    { class: 'chips' },
    ...type.commands.map(({ name, schema }) =>
      element('li', {}, element('code', {}, name), schema && element('span', { class: 'muted small' }, ` ${schema}`)),
    ),
  );
  return [
    element(
      'div',
      { class: 'panel empty' },
      element('p', { class: 'eyebrow' }, type.name),
      element('h2', {}, 'Choose an actor'),
      element(
        'p',
        { class: 'muted' },
        'Its state, its history and a form for its commands open here. Looking does not wake it.',
      ),
      element('h3', {}, 'Its commands'),
      commands,
    ),
  ];
}

async function showCluster() {
  const { cluster, up } = await readCluster();
  const uptime = figures.has('process_start_time_seconds')
    ? formatUptime(Date.now() / 1_000 - figures.get('process_start_time_seconds'))
    : '–';
  const facts = {
    node: cluster.node,
    cluster: cluster.clusterId,
    members: `${up} of ${cluster.members.length} up`,
    leader: cluster.leader ?? 'none in reach',
    uptime,
  };
  byId('facts').replaceChildren(
    ...Object.entries(facts).map(([name, value]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, value)),
    ),
  );
  document.title = `${cluster.node} · Greenroom`;
}

async function readReadiness() {
  const response = await fetch('/readyz', { cache: 'no-store' });
  const pill = byId('readiness');
  pill.className = `pill ${response.ok ? 'up' : 'down'}`;
  setText(pill, response.ok ? 'ready' : 'not ready');
  pill.title = response.ok ? '' : (await response.json()).detail;
}

function notice(text) {
  const place = byId('notice');
  place.hidden = text === '';
  setText(place, text);
}

let turn = 0;
async function tick() {
  if (!document.hidden) {
    try {
      await Promise.all([readFigures(), showCluster(), readReadiness()]);
      if (turn % slowEvery === 0) await (turn === 0 ? browser.loadTypes().then(show) : browser.load());
      turn += 1;
      notice('');
    } catch (error) {
      if (!error.body) {
        const pill = byId('readiness');
        pill.className = 'pill down';
        setText(pill, 'no answer');
      }
      notice(error.body ? error.message : 'The node does not answer. This page goes on trying.');
    }
  }
  setTimeout(tick, everyMs);
}

function applyTheme(theme) {
  if (theme === undefined) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

byId('theme').addEventListener('click', () => {
  const isDark = getComputedStyle(document.documentElement).colorScheme === 'dark';
  const theme = isDark ? 'light' : 'dark';
  localStorage.setItem(themeKey, theme);
  applyTheme(theme);
});
applyTheme(localStorage.getItem(themeKey) ?? undefined);
// The address names the actor here, so the skip link moves the focus without changing it.
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  byId('inspector').focus();
});
window.addEventListener('hashchange', show);
void tick();
