/**
 * Rows for people and for pipes: aligned columns with a coloured head on a terminal; tab-separated with a head line
 * when piped, which `cut`, `awk -F'\t'` and spreadsheets read.
 */
import Table from 'cli-table3';
import { printable, type Terminal } from './terminal.ts';

const noBorders = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((part) => [part, '']),
);

/** Colours one cell, by its text. */
export type Paint = (text: string) => string;

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** For terminals only. */
  readonly paint?: Paint;
}

/** Prints rows under their titles. */
export function printTable(terminal: Terminal, columns: readonly Column[], rows: readonly (readonly string[])[]): void {
  for (const line of tableLines(terminal, columns, rows)) terminal.print(line);
}

/** The lines of a table, the head first. */
export function tableLines(
  terminal: Terminal,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const clean = rows.map((row) => row.map((cell) => printable(cell).replace(/[\t\n]/g, ' ')));
  if (!terminal.outIsTerminal) return [columns.map(({ title }) => title), ...clean].map((row) => row.join('\t'));
  const table = new Table({
    chars: { ...noBorders, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    head: columns.map(({ title }) => terminal.out.bold(title)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
  });
  for (const row of clean) table.push(row.map((cell, i) => (cell === '' ? cell : (columns[i]?.paint?.(cell) ?? cell))));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

/** The usual colours of a status. */
export function statusPaint(terminal: Terminal): Paint {
  const { green, yellow, red, dim } = terminal.out;
  const colors: Record<string, Paint> = {
    active: green,
    up: green,
    ready: green,
    passivated: dim,
    removed: dim,
    starting: yellow,
    joining: yellow,
    leaving: yellow,
    stopped: red,
    down: red,
    unreachable: red,
    quarantined: red,
  };
  return (text) => colors[text]?.(text) ?? text;
}
