/** What an order is placed with. Lists are checked whole and have a limit, so that no event holds nonsense. */
import { type Check, object, positive, text } from './schema.ts';

export type Line = {
  readonly sku: string;
  readonly quantity: number;
  /** In cents a piece. */
  readonly price: number;
};

export type Placement = {
  /** One line per sku. */
  readonly lines: readonly Line[];
  /** How long the goods are held for a customer who has not paid. */
  readonly payWithinMs?: number;
};

/** Lines of one order at most. */
export const linesMax = 50;

const linesOfOneSkuEach: Check<readonly Line[]> = (value) => {
  if (!Array.isArray(value) || value.length === 0 || value.length > linesMax) return `must be 1 to ${linesMax} lines`;
  for (const { sku, quantity, price } of value.map((line) => (line ?? {}) as Partial<Line>)) {
    const wrong = text(sku) ?? positive(quantity) ?? positive(price);
    if (wrong !== undefined) return `of each line sku, quantity and price ${wrong}`;
  }
  return new Set(value.map(({ sku }) => sku)).size < value.length ? 'must not name a sku twice' : undefined;
};

export const placement = object<Placement>({
  lines: linesOfOneSkuEach,
  payWithinMs: (value) => (value === undefined ? undefined : positive(value)),
});

/** What the lines say and nothing else that a caller may have put there; in one order, so that they can be compared. */
export function cleanLines(lines: readonly Line[]): Line[] {
  return lines.map(({ sku, quantity, price }) => ({ sku, quantity, price }));
}

/** In cents. */
export function totalOf(lines: readonly Line[]): number {
  return lines.reduce((sum, { quantity, price }) => sum + quantity * price, 0);
}
