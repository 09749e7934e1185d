/** What `greenroom dev` says when its nodes serve: where they are, and requests to paste that work for what was loaded. */
import type { TypeAnswer } from './connection.ts';

/** A request for a shell. */
export interface CurlLine {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** JSON text. */
  readonly body?: string;
}

/**
 * Requests to paste: a small story for the shopping cart of the examples; for other actors the first command that
 * takes no input, as nobody knows what the others take.
 *
 * @param withoutInput commands that take no input, by type
 */
export function curlLines(
  types: readonly TypeAnswer[],
  withoutInput: Readonly<Record<string, readonly string[]>>,
): readonly CurlLine[] {
  const cart = types.find(({ name }) => name === 'ShoppingCart');
  const cartCommands = cart?.commands.map(({ name }) => name) ?? [];
  if (['addItem', 'get'].every((name) => cartCommands.includes(name))) {
    return [
      { method: 'POST', path: '/v1/actors/ShoppingCart/alice/addItem', body: '{"sku":"milk","quantity":2}' },
      { method: 'POST', path: '/v1/actors/ShoppingCart/alice/get' },
      { method: 'GET', path: '/v1/actors/ShoppingCart/alice/-/events' },
    ];
  }
  const plain = types.flatMap(({ name, commands }) =>
    commands
      .filter((each) => withoutInput[name]?.includes(each.name))
      .map((each) => ({ type: name, command: each.name })),
  );
  const question = plain.find(({ command }) => /^(get|read|show|status|list|value|total|count|state)/i.test(command));
  const chosen = question ?? plain[0];
  const call: CurlLine[] =
    chosen === undefined ? [] : [{ method: 'POST', path: `/v1/actors/${chosen.type}/demo/${chosen.command}` }];
  return [{ method: 'GET', path: '/v1/actors' }, ...call];
}

/** A request as a line for a POSIX shell. */
export function curlText(url: string, line: CurlLine, needsToken: boolean): string {
  return [
    'curl',
    ...(line.method === 'GET' || line.body !== undefined ? [] : ['-X POST']),
    `${url}${line.path}`,
    ...(needsToken ? ['-H "Authorization: Bearer $GREENROOM_TOKEN"'] : []),
    ...(line.body === undefined
      ? []
      : [`-H 'Content-Type: application/json' -d '${line.body.replaceAll("'", "'\\''")}'`]),
  ].join(' ');
}
