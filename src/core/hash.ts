/** Stable hashes: the same on every node and in every version, because shards and records depend on them. */

/**
 * A 32-bit hash of an actor's identity (FNV-1a over UTF-16 code units of `type/id`, finished with murmur3's mixer).
 * `shard = actorHash mod shardCount`.
 */
export function actorHash(type: string, id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < type.length; i++) hash = Math.imul(hash ^ type.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ 0x2f, 0x01000193);
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return finish(hash);
}

/** A 53-bit hash of text, for fingerprints (two FNV-1a lanes). Not cryptographic. */
export function textHash(text: string): number {
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b);
    high ^= high >>> 13;
  }
  return (finish(high) & 0x1fffff) * 0x1_0000_0000 + finish(low);
}

/**
 * The next link of a chain of 48-bit hashes: depends on every number that went in before.
 * Two logs whose chains agree at a position agree on everything up to it.
 */
export function chainHash(previous: number, a: number, b: number, c: number, d: number): number {
  let low = mixIn(0x9e3779b9 ^ (previous >>> 0), a);
  let high = mixIn(0x85ebca6b ^ Math.floor(previous / 0x1_0000_0000), d);
  low = mixIn(mixIn(low, Math.floor(a / 0x1_0000_0000)), b);
  high = mixIn(mixIn(high, c), low);
  low = finish(mixIn(mixIn(low, c), d) ^ (high >>> 7));
  return (finish(high) & 0xffff) * 0x1_0000_0000 + low;
}

function mixIn(hash: number, value: number): number {
  let part = Math.imul(value | 0, 0xcc9e2d51);
  part = Math.imul((part << 15) | (part >>> 17), 0x1b873593);
  const mixed = hash ^ part;
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

/** murmur3's finalizer, as an unsigned number. */
function finish(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
