/**
 * Snappy's decoder, for reading LevelDB's index blocks without LevelDB.
 * Source: google/snappy, format_description.txt.
 */

/** A block is small; a length beyond this is damage. */
const uncompressedBytesMax = 256 * 1024 * 1024;

/** @returns undefined if the bytes are not what Snappy made */
export function decompressSnappy(input: Uint8Array): Buffer | undefined {
  let at = 0;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = input[at++];
    if (byte === undefined || shift > 28) return undefined;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  if (length > uncompressedBytesMax) return undefined;
  const output = Buffer.allocUnsafe(length);
  let written = 0;
  while (at < input.length) {
    const tag = input[at++]!;
    if ((tag & 3) === 0) {
      let count = tag >>> 2;
      if (count >= 60) {
        const extra = count - 59;
        count = readLittleEndian(input, at, extra);
        at += extra;
      }
      count += 1;
      if (at + count > input.length || written + count > length) return undefined;
      output.set(input.subarray(at, at + count), written);
      at += count;
      written += count;
      continue;
    }
    let count: number;
    let distance: number;
    if ((tag & 3) === 1) {
      count = ((tag >>> 2) & 7) + 4;
      distance = ((tag >>> 5) << 8) | input[at]!;
      at += 1;
    } else {
      count = (tag >>> 2) + 1;
      const extra = (tag & 3) === 2 ? 2 : 4;
      distance = readLittleEndian(input, at, extra);
      at += extra;
    }
    if (at > input.length || distance === 0 || distance > written || written + count > length) return undefined;
    // A copy may overlap what it writes: that is how runs are repeated.
    for (let i = 0; i < count; i++, written++) output[written] = output[written - distance]!;
  }
  return written === length ? output : undefined;
}

function readLittleEndian(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
