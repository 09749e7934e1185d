/** Actor types, and the actors of one, page by page. */
import { getJson } from './api.js';
import { byId, element } from './dom.js';

const pageSize = 50;

/** The address of an actor within this page. */
export function hashOf(type, id) {
  return id === undefined ? `#/${encodeURIComponent(type)}` : `#/${encodeURIComponent(type)}/${encodeURIComponent(id)}`;
}

export class Browser {
  #types = [];
  #type;
  #id;
  #after;
  #next;
  #asked = 0;

  constructor() {
    byId('first').addEventListener('click', () => this.#turn(undefined));
    byId('next').addEventListener('click', () => this.#turn(this.#next));
    byId('finder').addEventListener('submit', (event) => {
      event.preventDefault();
      const id = byId('find').value.trim();
      if (id && this.#type) location.hash = hashOf(this.#type, id);
    });
    byId('types').addEventListener('keydown', (event) => this.#moveFocus(event));
  }

  get types() {
    return this.#types;
  }

  async loadTypes() {
    this.#types = (await getJson('/v1/actors')).types;
    this.#showTypes();
  }

  /** @param {string | undefined} type the first one if it is not given or not known */
  choose(type, id) {
    const known = this.#types.find(({ name }) => name === type) ?? this.#types[0];
    this.#id = id;
    if (known?.name !== this.#type) {
      this.#type = known?.name;
      this.#after = undefined;
      this.#showTypes();
      void this.load();
    }
    for (const link of byId('actors').querySelectorAll('a')) this.#mark(link);
    return known;
  }

  #showTypes() {
    byId('types').replaceChildren(
      ...this.#types.map(({ name, kind, commands }) => {
        const isChosen = name === this.#type;
        return element(
          'button',
          {
            type: 'button',
            role: 'tab',
            'aria-selected': String(isChosen),
            tabindex: isChosen ? '0' : '-1',
            title: commands.map((command) => command.name).join(', '),
            onclick: () => (location.hash = hashOf(name)),
          },
          element('span', {}, name),
          element(
            'span',
            { class: 'muted small' },
            `${kindText[kind] ?? kind} · ${commands.length} ${commands.length === 1 ? 'command' : 'commands'}`,
          ),
        );
      }),
    );
  }

  /** Arrow keys move among the types, as in every list of tabs. */
  #moveFocus(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const tabs = [...byId('types').children];
    const index = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    tabs[index].focus();
    tabs[index].click();
    byId('types').children[index].focus();
  }

  #turn(after) {
    this.#after = after;
    void this.load();
  }

  /** Reads the page again; where nothing changed, nothing moves. */
  async load() {
    if (!this.#type) return;
    const question = ++this.#asked;
    const query = this.#after === undefined ? '' : `&after=${encodeURIComponent(this.#after)}`;
    const { actors, next } = await getJson(`/v1/actors/${encodeURIComponent(this.#type)}?limit=${pageSize}${query}`);
    if (question !== this.#asked) return;
    this.#next = next;
    byId('first').disabled = this.#after === undefined;
    byId('next').disabled = next === undefined;
    const list = byId('actors');
    const shown = JSON.stringify([this.#type, actors]);
    if (list.dataset.shown === shown) return;
    list.dataset.shown = shown;
    const rows = actors.map((actor) => this.#row(actor));
    list.replaceChildren(
      ...(rows.length > 0
        ? rows
        : [element('li', { class: 'muted' }, 'None yet. Open one by an id and send it a command.')]),
    );
  }

  #row({ id, status, sequenceNumber }) {
    const link = element(
      'a',
      { href: hashOf(this.#type, id), 'data-id': id },
      element('span', { class: `dot ${status}`, title: status }),
      element('span', { class: 'id' }, id),
      element('span', { class: 'hidden' }, `, ${status},`),
      element('span', { class: 'muted small', title: 'events' }, sequenceNumber),
    );
    this.#mark(link);
    return element('li', {}, link);
  }

  #mark(link) {
    if (link.dataset.id === this.#id) link.setAttribute('aria-current', 'true');
    else link.removeAttribute('aria-current');
  }
}

const kindText = { eventSourced: 'event-sourced', durableState: 'durable state', memory: 'in memory' };
