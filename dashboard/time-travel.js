/** The state at any sequence number, with what the last event changed. */
import { actorPath, getJson } from './api.js';
import { differences } from './differences.js';
import { element } from './dom.js';
import { jsonTree, scalar } from './json-tree.js';

export class TimeTravel {
  #path;
  #last = 0;
  /** The sequence number that is shown; undefined: always the newest. */
  #at;
  #asked = 0;
  #slider = element('input', { type: 'range', min: '0', step: '1', id: 'at', 'aria-describedby': 'at-label' });
  #label = element('output', { id: 'at-label', for: 'at' });
  #back = element(
    'button',
    { type: 'button', class: 'step', 'aria-label': 'One event back', title: 'One event back' },
    '‹',
  );
  #forth = element(
    'button',
    { type: 'button', class: 'step', 'aria-label': 'One event forth', title: 'One event forth' },
    '›',
  );
  #live = element('button', { type: 'button', class: 'quiet', 'aria-pressed': 'true' }, 'Live');
  #state = element('div', { class: 'state' });
  #diff = element('div', { class: 'diff', 'aria-live': 'polite' });
  /** Called with the sequence number that is shown. */
  onMove = () => {};

  constructor(type, id) {
    this.#path = actorPath(type, id);
    this.#slider.addEventListener('input', () => this.travel(Number(this.#slider.value)));
    this.#back.addEventListener('click', () => this.travel((this.#at ?? this.#last) - 1));
    this.#forth.addEventListener('click', () => this.travel((this.#at ?? this.#last) + 1));
    this.#live.addEventListener('click', () => this.travel(undefined));
  }

  panel() {
    const label = element('label', { for: 'at', class: 'hidden' }, 'State at sequence number');
    const controls = element(
      'div',
      { class: 'travel' },
      this.#back,
      label,
      this.#slider,
      this.#forth,
      this.#label,
      this.#live,
    );
    return element('section', { class: 'panel' }, element('h3', {}, 'State'), controls, this.#state, this.#diff);
  }

  /** The actor has this many events now. */
  grow(sequenceNumber) {
    this.#last = sequenceNumber;
    this.#slider.max = String(Math.max(1, sequenceNumber));
    if (this.#at === undefined) this.travel(undefined);
    else this.#showControls();
  }

  /** @param {number | undefined} at undefined: stay with the newest */
  travel(at) {
    this.#at = at === undefined ? undefined : Math.min(Math.max(0, at), this.#last);
    this.#showControls();
    this.onMove(this.#at);
    this.#load();
  }

  #showControls() {
    const at = this.#at ?? this.#last;
    this.#slider.value = String(at);
    this.#slider.disabled = this.#last < 1;
    this.#back.disabled = at <= 0;
    this.#forth.disabled = at >= this.#last;
    this.#label.textContent = `${at} of ${this.#last}`;
    this.#live.setAttribute('aria-pressed', String(this.#at === undefined));
  }

  /** Only the latest question counts: answers that were overtaken are dropped. */
  async #load() {
    const question = ++this.#asked;
    const at = this.#at ?? this.#last;
    try {
      const [now, before] = await Promise.all([
        getJson(`${this.#path}?at=${at}`),
        at > 0 ? getJson(`${this.#path}?at=${at - 1}`).catch(() => undefined) : undefined,
      ]);
      if (question === this.#asked)
        this.#show(now.state, before ? differences(before.state, now.state) : undefined, at);
    } catch (error) {
      if (question === this.#asked) this.#state.replaceChildren(element('p', { class: 'muted' }, error.message));
    }
  }

  #show(state, changes, at) {
    this.#state.replaceChildren(jsonTree(state, new Set(changes?.map(({ path }) => path))));
    if (!changes) {
      this.#diff.replaceChildren();
      return;
    }
    const rows = changes.map(({ path, before, after }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, path.slice(1).replaceAll('/', ' › ') || 'state'),
        element('td', {}, scalar(before)),
        element('td', { class: 'arrow', 'aria-label': 'became' }, '→'),
        element('td', {}, scalar(after)),
      ),
    );
    const title = element('h4', {}, rows.length === 0 ? `Event ${at} changed nothing` : `What event ${at} changed`);
    this.#diff.replaceChildren(
      title,
      element('div', { class: 'scroll' }, element('table', {}, element('tbody', {}, ...rows))),
    );
  }
}
