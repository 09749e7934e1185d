/** One actor: its state through time, its events as they come, its commands. */
import { act, actorPath, followEvents, getJson } from './api.js';
import { commandForm } from './command-form.js';
import { byId, element } from './dom.js';
import { formatTime } from './format.js';
import { TimeTravel } from './time-travel.js';

/** Events in the list; the eldest leave. */
const eventsShown = 200;

/** @returns what ends it */
export function actorView(root, type, id, onChange) {
  const ending = new AbortController();
  const path = actorPath(type.name, id);
  const head = element('header', { class: 'actor-head' });
  const problem = element('p', { class: 'muted', role: 'status' });
  const travel = new TimeTravel(type.name, id);
  const list = element('ol', { class: 'events', reversed: true });
  const empty = element('p', { class: 'muted' }, 'No event yet. The first command that records something makes one.');
  const showChosen = (at) => {
    for (const row of list.children) row.classList.toggle('chosen', row.dataset.at === String(at));
  };
  travel.onMove = showChosen;

  async function refresh() {
    try {
      const actor = await getJson(path);
      if (ending.signal.aborted) return;
      problem.textContent = actor.reason ? `Quarantined: ${actor.reason}` : '';
      head.replaceChildren(...headOf(actor));
      travel.grow(actor.sequenceNumber);
    } catch (error) {
      if (ending.signal.aborted) return;
      head.replaceChildren(...headOf({ type: type.name, id }));
      problem.textContent =
        error.body?.code === 'UNKNOWN_ACTOR' ? 'Nothing is recorded of this actor yet.' : error.message;
    }
  }

  function headOf({ status, shard, node, sequenceNumber }) {
    const facts =
      status === undefined
        ? undefined
        : element(
            'p',
            { class: 'muted' },
            `${sequenceNumber} ${sequenceNumber === 1 ? 'event' : 'events'} · shard ${shard} on ${node}`,
          );
    const actions = [];
    if (status === 'active') actions.push(action('Passivate', 'POST', `${path}/-/passivate`));
    if (status === 'quarantined') actions.push(action('Resume', 'POST', `${path}/-/resume`));
    if (status !== undefined && type.kind !== 'memory')
      actions.push(element('button', { type: 'button', class: 'quiet danger-text', onclick: askToDelete }, 'Delete'));
    return [
      element('div', {}, element('p', { class: 'eyebrow' }, type.name), element('h2', {}, id), facts),
      element('div', { class: 'actions' }, status && element('span', { class: `pill ${status}` }, status), ...actions),
    ];
  }

  function action(label, method, target) {
    return element('button', { type: 'button', class: 'quiet', onclick: () => perform(method, target) }, label);
  }

  async function perform(method, target) {
    try {
      await act(method, target);
    } catch (error) {
      problem.textContent = error.message;
    }
    await refresh();
    onChange();
  }

  function askToDelete() {
    const dialog = byId('delete-dialog');
    byId('delete-what').textContent = `${type.name} ${id}`;
    dialog.returnValue = '';
    dialog.addEventListener(
      'close',
      () => dialog.returnValue === 'delete' && perform('DELETE', path).then(forgetEvents),
      { once: true },
    );
    dialog.showModal();
  }

  function forgetEvents() {
    list.replaceChildren();
    empty.hidden = false;
  }

  function takeEvents(events) {
    empty.hidden = true;
    for (const event of events.slice(-eventsShown)) {
      const detail = JSON.stringify(event.data) ?? '';
      const row = element(
        'li',
        { 'data-at': event.sequenceNumber, class: 'event' },
        element(
          'button',
          {
            type: 'button',
            title: 'Show the state after this event',
            onclick: () => travel.travel(event.sequenceNumber),
          },
          element('span', { class: 'number' }, event.sequenceNumber),
          element('span', { class: 'name' }, event.type),
          element('code', {}, detail.length > 300 ? `${detail.slice(0, 300)}…` : detail),
          element('time', { datetime: new Date(event.at).toISOString() }, formatTime(event.at)),
        ),
      );
      list.prepend(row);
    }
    while (list.children.length > eventsShown) list.lastChild.remove();
    scheduleRefresh();
  }

  let refreshing;
  function scheduleRefresh() {
    clearTimeout(refreshing);
    refreshing = setTimeout(refresh, 120);
  }

  const history = element('section', { class: 'panel' }, element('h3', {}, 'Events'), empty, list);
  const commands = commandForm(type.name, id, type.commands, () => {
    scheduleRefresh();
    onChange();
  });
  const parts =
    type.kind === 'memory'
      ? [commands]
      : [element('div', { class: 'pair' }, travel.panel(), element('div', { class: 'stack' }, commands, history))];
  root.replaceChildren(head, problem, ...parts);
  void start();

  async function start() {
    await refresh();
    if (type.kind === 'memory') return;
    const newest = await getJson(path).then(
      (actor) => actor.sequenceNumber,
      () => 0,
    );
    await followEvents(type.name, id, Math.max(0, newest - eventsShown), ending.signal, takeEvents);
  }

  return () => {
    ending.abort();
    clearTimeout(refreshing);
  };
}
