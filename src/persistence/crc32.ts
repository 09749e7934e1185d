/**
 * CRC-32 (IEEE 802.3): of few bytes from tables, eight at a time, of more by zlib where Node has it (20.15, 22.2 and later).
 *
 * Heads and usual bodies of records have few. Asking zlib for those costs more than the sum: the call leaves the engine, and
 * a part of a buffer is a new object first (87 against 221 ns for 68 bytes, even at about 220).
 */
import * as zlib from 'node:zlib';

/** From here on zlib is faster. */
const zlibFromBytes = 192;

const zlibCrc32 = (zlib as { crc32?: (bytes: Uint8Array) => number }).crc32;

/** CRC-32 of the bytes from `start` to before `end` as an unsigned number. */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length): number {
  if (end - start < zlibFromBytes || !zlibCrc32) return tableCrc32(bytes, start, end);
  return zlibCrc32(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
}

const table0 = new Uint32Array(256).map((_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});
const table1 = shifted(table0);
const table2 = shifted(table1);
const table3 = shifted(table2);
const table4 = shifted(table3);
const table5 = shifted(table4);
const table6 = shifted(table5);
const table7 = shifted(table6);

/** What one more zero byte makes of each entry. */
function shifted(table: Uint32Array): Uint32Array {
  return table.map((entry) => (entry >>> 8) ^ table0[entry & 0xff]!);
}

/**
 * Exported for the test that holds both against each other.
 *
 * Source: "slicing-by-8", Kounavis and Berry, "A systematic approach to building high performance software-based CRC
 * generators" (2005).
 */
export function tableCrc32(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = -1;
  let i = start;
  for (; i + 8 <= end; i += 8) {
    const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    crc =
      table7[low & 0xff]! ^
      table6[(low >>> 8) & 0xff]! ^
      table5[(low >>> 16) & 0xff]! ^
      table4[low >>> 24]! ^
      table3[bytes[i + 4]!]! ^
      table2[bytes[i + 5]!]! ^
      table1[bytes[i + 6]!]! ^
      table0[bytes[i + 7]!]!;
  }
  for (; i < end; i++) crc = table0[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
