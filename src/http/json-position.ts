/**
 * Where a JSON text goes wrong. `JSON.parse` is what reads input; only when it refuses does this slower scanner say
 * at which line and column, which engines tell in different words or not at all. A loop with its own stack, so that
 * deep nesting costs memory and not the call stack.
 */

const punctuation = '{}[],:';
const space = /[ \t\n\r]*/y;
const scalar =
  /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** What the scanner waits for. */
type Expected =
  | 'a value'
  | "a value or ']'"
  | "a name in double quotes or '}'"
  | 'a name in double quotes'
  | "':'"
  | "',' or ']'"
  | "',' or '}'"
  | 'the end';

/** E.g. `line 2, column 7: expected ':' but found '='`. Only for text that `JSON.parse` refused. */
export function describeJsonError(text: string): string {
  const { offset, expected } = findJsonError(text);
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - before.lastIndexOf('\n');
  const found =
    offset >= text.length
      ? 'the text ends'
      : `found ${JSON.stringify(String.fromCodePoint(text.codePointAt(offset)!))}`;
  return `line ${line}, column ${column}: expected ${expected} but ${found}`;
}

function findJsonError(text: string): { offset: number; expected: Expected } {
  const open: ('[' | '{')[] = [];
  let expected: Expected = 'a value';
  let offset = skipSpace(text, 0);
  while (offset < text.length) {
    const character = text[offset]!;
    const token = tokenAt(text, offset, character);
    const next = follow(expected, character, token, open);
    if (next === undefined) break;
    expected = next;
    offset = skipSpace(text, offset + token.length);
  }
  return { offset, expected };
}

/** What may come after this token; undefined if the token itself may not come here. */
function follow(expected: Expected, character: string, token: string, open: ('[' | '{')[]): Expected | undefined {
  switch (expected) {
    case 'a value':
    case "a value or ']'":
      if (character === ']' && expected !== 'a value') return close(open);
      if (character === '[' || character === '{') {
        open.push(character);
        return character === '[' ? "a value or ']'" : "a name in double quotes or '}'";
      }
      return token.length > 0 && !punctuation.includes(character) ? inside(open) : undefined;
    case "a name in double quotes or '}'":
    case 'a name in double quotes':
      if (character === '}' && expected !== 'a name in double quotes') return close(open);
      return character === '"' && token.length > 0 ? "':'" : undefined;
    case "':'":
      return character === ':' ? 'a value' : undefined;
    case "',' or ']'":
      if (character === ']') return close(open);
      return character === ',' ? 'a value' : undefined;
    case "',' or '}'":
      if (character === '}') return close(open);
      return character === ',' ? 'a name in double quotes' : undefined;
    default:
      return undefined;
  }
}

function close(open: ('[' | '{')[]): Expected {
  open.pop();
  return inside(open);
}

/** What may come after a whole value here. */
function inside(open: readonly ('[' | '{')[]): Expected {
  if (open.length === 0) return 'the end';
  return open[open.length - 1] === '[' ? "',' or ']'" : "',' or '}'";
}

function tokenAt(text: string, offset: number, character: string): string {
  if (punctuation.includes(character)) return character;
  scalar.lastIndex = offset;
  return scalar.exec(text)?.[0] ?? '';
}

function skipSpace(text: string, offset: number): number {
  space.lastIndex = offset;
  space.test(text);
  return space.lastIndex;
}
