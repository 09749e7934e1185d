import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCommandInput } from '../../src/cli/command-input.ts';
import { CommandLineError } from '../../src/cli/exit-codes.ts';
import { difference, readablePath } from '../../src/cli/state-difference.ts';
import { didYouMean, nearest } from '../../src/cli/suggestion.ts';
import { tableLines } from '../../src/cli/table.ts';
import { prettyJson, printable, usesColor } from '../../src/cli/terminal.ts';
import { readTokensFile } from '../../src/cli/tokens-file.ts';
import { temporaryDirectory } from './temporary.ts';
import { textTerminal } from './text-terminal.ts';

describe('a suggestion', () => {
  const commands = ['addItem', 'checkout', 'get'];

  test.each([
    ['additem', 'addItem'],
    ['aditem', 'addItem'],
    ['addItme', 'addItem'],
    ['chekcout', 'checkout'],
    ['check', 'checkout'],
    ['gte', 'get'],
  ])('for %s is %s', (typed, meant) => {
    expect(nearest(typed, commands)).toBe(meant);
  });

  test.each(['remove', 'x', 'set-all-of-it', ''])('is not made for %s', (typed) => {
    expect(didYouMean(typed, commands)).toBeUndefined();
  });
});

describe('an input', () => {
  const read = (argument: string | undefined, input = '') => readCommandInput(argument, textTerminal({ input }));
  const refusalOf = async (argument: string): Promise<CommandLineError> => {
    const error = await read(argument).then(
      () => undefined,
      (error) => error,
    );
    expect(error).toBeInstanceOf(CommandLineError);
    expect(error.exitCode).toBe(2);
    return error;
  };

  test('is passed on as it was written', async () => {
    expect(await read(undefined)).toBeUndefined();
    expect(await read('{"a": 1}')).toBe('{"a": 1}');
    expect(await read('-3')).toBe('-3');
    expect(await read('9007199254740993')).toBe('9007199254740993');
  });

  test('comes from standard input or a file', async () => {
    expect(await read('-', ' {"a":1}\n')).toBe('{"a":1}');
    const file = join(temporaryDirectory(), 'item.json');
    writeFileSync(file, '\ufeff[1]\n');
    expect(await read(`@${file}`)).toBe('[1]');
  });

  test('that is a bare word is refused with the quoted form', async () => {
    expect((await refusalOf('milk')).hint).toContain(`'"milk"'`);
    expect((await refusalOf("it's")).hint).toContain(`'"it'\\''s"'`);
  });

  test('whose quotes the shell took is refused with the form that was meant', async () => {
    expect((await refusalOf('{sku:milk,quantity:2}')).hint).toContain(`'{"sku":"milk","quantity":2}'`);
    expect((await refusalOf("{'sku': 'milk', ok: true}")).hint).toContain(`'{"sku": "milk", "ok": true}'`);
    expect((await refusalOf('{sku:')).hint).toContain('single quotes');
  });

  test('that is empty or not there is refused', async () => {
    await refusalOf('');
    await refusalOf('-');
    expect((await refusalOf('@not-there.json')).message).toContain('not-there.json');
  });
});

describe('the difference between states', () => {
  test('is one change per leaf', () => {
    const before = { items: { milk: 2, eggs: 1 }, note: 'x', tags: ['a'] };
    const after = { items: { milk: 3, bread: 1 }, tags: ['a', 'b'], at: 5 };
    expect(difference(before, after)).toEqual([
      { path: '/items/milk', change: 'changed', before: 2, after: 3 },
      { path: '/items/eggs', change: 'removed', before: 1 },
      { path: '/items/bread', change: 'added', after: 1 },
      { path: '/note', change: 'removed', before: 'x' },
      { path: '/tags/1', change: 'added', after: 'b' },
      { path: '/at', change: 'added', after: 5 },
    ]);
  });

  test('is nothing for equal states, and everything where there was none', () => {
    expect(difference({ a: [1, { b: null }] }, { a: [1, { b: null }] })).toEqual([]);
    expect(difference(undefined, { a: 1 })).toEqual([{ path: '', change: 'added', after: { a: 1 } }]);
  });

  test('takes keys for data, whatever they are named', () => {
    expect(difference(JSON.parse('{"__proto__":1}'), {})).toEqual([
      { path: '/__proto__', change: 'removed', before: 1 },
    ]);
    expect(difference({}, { constructor: 1, 'a/b': 2 }).map(({ path }) => path)).toEqual(['/constructor', '/a~1b']);
  });

  test('has paths that read like code', () => {
    expect(readablePath('/items/0/s~1ku')).toBe('items[0]."s/ku"');
    expect(readablePath('')).toBe('the state');
  });
});

describe('output', () => {
  const columns = [{ title: 'ID' }, { title: 'EVENTS', align: 'right' as const }];

  test('is tab-separated in a pipe and aligned on a terminal', () => {
    const rows = [
      ['alice', '1'],
      ['bob', '100'],
    ];
    expect(tableLines(textTerminal(), columns, rows)).toEqual(['ID\tEVENTS', 'alice\t1', 'bob\t100']);
    expect(tableLines(textTerminal({ isTerminal: true }), columns, rows)).toEqual([
      'ID     EVENTS',
      'alice       1',
      'bob       100',
    ]);
  });

  test('never carries control characters from elsewhere', () => {
    expect(printable('a\u001b[31mb\u009bc')).toBe('a\\u001b[31mb\\u009bc');
    expect(tableLines(textTerminal(), columns, [['a\u001b[2J\tb', '1']])[1]).toBe('a\\u001b[2J b\t1');
    expect(prettyJson({ a: '\u009b31m' }, textTerminal().out)).toContain('\\u009b31m');
  });

  test('has colour on a terminal only, and NO_COLOR wins', () => {
    expect(usesColor({}, true)).toBe(true);
    expect(usesColor({}, false)).toBe(false);
    expect(usesColor({ NO_COLOR: '1', FORCE_COLOR: '1' }, true)).toBe(false);
    expect(usesColor({ NO_COLOR: '' }, true)).toBe(true);
    expect(usesColor({ FORCE_COLOR: '1' }, false)).toBe(true);
    expect(usesColor({ TERM: 'dumb' }, true)).toBe(false);
  });

  test('is the same JSON with and without colour', () => {
    const value = { text: 'true "x": 1', n: -1.5e3, yes: true, none: null, list: [1, 'two'] };
    const colored = prettyJson(value, textTerminal({ color: true }).out);
    expect(colored).toContain('\u001b[');
    expect(JSON.parse(colored.replaceAll(/\u001b\[\d+m/g, ''))).toEqual(value);
  });
});

describe('a tokens file', () => {
  const read = (content: string) => {
    const file = join(temporaryDirectory(), 'tokens');
    writeFileSync(file, content, { mode: 0o600 });
    return readTokensFile(file, '/');
  };

  test('holds a token a line', () => {
    expect(read('# ours\n0123456789abcdef\r\n\nfedcba9876543210\n')).toEqual({
      tokens: ['0123456789abcdef', 'fedcba9876543210'],
      warnings: [],
    });
  });

  test('without a token, or with one that cannot be sent, is refused', () => {
    expect(() => read('# none\n')).toThrow('holds no token');
    expect(() => read('ok-ok-ok-ok-ok-ok\ntwo words\n')).toThrow(/:2: a token is/);
    expect(() => readTokensFile('/not/there', '/')).toThrow('cannot be read');
  });

  test('with short tokens is warned of', () => {
    expect(read('short\n').warnings[0]).toContain('can be guessed');
  });
});
