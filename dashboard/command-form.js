/** Calls a command and shows what came back: the reply, or the problem. */
import { runCommand } from './api.js';
import { element } from './dom.js';
import { jsonTree } from './json-tree.js';

/** What was typed, per type and command, while the page is open. */
const drafts = new Map();

/**
 * @param {{ name: string, schema?: string }[]} commands
 * @param {() => void} onAnswer after each answer
 */
export function commandForm(type, id, commands, onAnswer) {
  const select = element(
    'select',
    { id: 'command' },
    ...commands.map(({ name }) => element('option', { value: name }, name)),
  );
  const input = element('textarea', {
    id: 'input',
    rows: '3',
    spellcheck: 'false',
    placeholder: 'JSON, or nothing',
    'aria-describedby': 'input-error',
  });
  const inputError = element('p', { class: 'field-error', id: 'input-error', role: 'alert' });
  const key = element('input', {
    id: 'key',
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: 'assigned',
    maxlength: '128',
  });
  const button = element('button', { type: 'submit', class: 'primary' }, 'Send');
  const answer = element('div', { class: 'answer', 'aria-live': 'polite' });
  const schema = element('p', { class: 'muted small' });
  const draftKey = () => `${type}.${select.value}`;
  const showDraft = () => {
    input.value = drafts.get(draftKey()) ?? '';
    const known = commands.find(({ name }) => name === select.value)?.schema;
    schema.replaceChildren(
      ...(known ? [`checked by a ${known} schema · `] : []),
      element('kbd', {}, 'Ctrl'),
      ' ',
      element('kbd', {}, 'Enter'),
      ' sends',
    );
  };
  select.addEventListener('change', showDraft);
  input.addEventListener('input', () => {
    drafts.set(draftKey(), input.value);
    inputError.textContent = '';
  });
  const form = element(
    'form',
    { class: 'command' },
    element('div', { class: 'row' }, field('Command', 'command', select), field('Idempotency key', 'key', key)),
    field('Input', 'input', input),
    inputError,
    element('div', { class: 'send' }, schema, button),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text !== '') {
      try {
        JSON.parse(text);
      } catch (error) {
        inputError.textContent = `This is not JSON: ${error.message}`;
        input.focus();
        return;
      }
    }
    button.disabled = true;
    try {
      answer.replaceChildren(...describe(await runCommand(type, id, select.value, text, key.value.trim())));
    } catch (error) {
      answer.replaceChildren(
        element('p', { class: 'verdict bad' }, `No answer: ${error.message}. It may have been executed.`),
      );
    }
    button.disabled = false;
    onAnswer();
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  showDraft();
  return element('section', { class: 'panel' }, element('h3', {}, 'Send a command'), form, answer);
}

function field(label, id, control) {
  return element('div', { class: 'field' }, element('label', { for: id }, label), control);
}

function describe(result) {
  const took = `${result.tookMs.toFixed(1)} ms`;
  const notes = [];
  if (result.woke) {
    const [ms, events] = result.woke.split(';events=');
    notes.push(`woke in ${ms} ms (${events} events)`);
  }
  if (result.isReplay) notes.push('recorded answer of an earlier try');
  const footer = element('p', { class: 'muted small' }, [...notes, `key ${result.key ?? '–'}`].join(' · '));
  if (result.status < 300) {
    const verdict = element(
      'p',
      { class: 'verdict good' },
      result.body === undefined ? 'Done, no reply' : 'Replied',
      element('span', { class: 'muted' }, ` ${took}`),
    );
    return result.body === undefined ? [verdict, footer] : [verdict, jsonTree(result.body), footer];
  }
  const { code, detail, rejection, issues, retryable } = result.body ?? {};
  const title = rejection ? `Rejected: ${rejection.code}` : (code ?? `HTTP ${result.status}`);
  const parts = [
    element(
      'p',
      { class: `verdict ${rejection ? 'no' : 'bad'}` },
      title,
      element('span', { class: 'muted' }, ` ${took}`),
    ),
    element('p', {}, detail ?? ''),
  ];
  if (rejection?.details !== undefined) parts.push(jsonTree(rejection.details));
  if (issues)
    parts.push(
      element(
        'ul',
        {},
        ...issues.map((issue) =>
          element('li', {}, issue.path ? element('code', {}, issue.path) : 'the input', ` ${issue.message}`),
        ),
      ),
    );
  if (retryable) parts.push(element('p', { class: 'muted small' }, 'May be sent again with the same key.'));
  return [...parts, footer];
}
