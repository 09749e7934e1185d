/** The order of ids in keys and pages: that of their UTF-8 bytes. */

/** Compares ids by the bytes of their UTF-8, which is the order of their code points and not of JavaScript's `<`. */
export function compareIds(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    // Surrogates (0xd800–0xdfff) stand for code points above every other unit.
    const leftRank = left >= 0xd800 && left <= 0xdfff ? left + 0x10000 : left;
    const rightRank = right >= 0xd800 && right <= 0xdfff ? right + 0x10000 : right;
    return leftRank - rightRank;
  }
  return a.length - b.length;
}
