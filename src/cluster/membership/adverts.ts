/**
 * What each node serves: actor types with their commands and events. During a rolling upgrade some nodes know more than
 * others; then what one does not know is "not available now" instead of "unknown", and shards go to those that know all.
 */
import type { ActorDefinition } from '../../actors/definition.ts';
import { textHash } from '../../core/hash.ts';
import type { StoreId } from '../../core/ids.ts';
import { canonicalJson } from '../../core/plain-data.ts';

/** By type: the names of its commands, and of its events (`!Name`, and `!Name.version` from the second version on). */
export type AdvertisedTypes = Readonly<Record<string, readonly string[]>>;

export class Adverts {
  readonly #self: StoreId;
  readonly #known = new Map<StoreId, { readonly advert: string; readonly types: AdvertisedTypes }>();
  readonly own: { readonly advert: string; readonly types: AdvertisedTypes };

  constructor(self: StoreId, definitions: readonly ActorDefinition[]) {
    this.#self = self;
    const types: Record<string, readonly string[]> = {};
    for (const { name, commands, memory } of definitions) {
      const events = memory
        ? [...memory.events].flatMap(([event, { upcasters }]) => versions(event, upcasters.length))
        : [];
      types[name] = [...commands.keys(), ...events].sort();
    }
    this.own = { advert: textHash(canonicalJson(types)).toString(36), types };
    this.#known.set(self, this.own);
  }

  learn(from: StoreId, advert: string, types: AdvertisedTypes): void {
    this.#known.set(from, { advert, types });
  }

  forget(store: StoreId): void {
    if (store !== this.#self) this.#known.delete(store);
  }

  isKnown(store: StoreId, advert: string): boolean {
    return this.#known.get(store)?.advert === advert;
  }

  /** Whether some node serves this: `command` may also be `!Event`. */
  isServedSomewhere(type: string, command?: string): boolean {
    for (const { types } of this.#known.values()) {
      const names = Object.hasOwn(types, type) ? types[type] : undefined;
      if (names && (command === undefined || names.includes(command))) return true;
    }
    return false;
  }

  /** Whether the store serves everything that any of them does. One that was not heard yet is given the benefit of the doubt. */
  knowsAll(store: StoreId): boolean {
    const own = this.#known.get(store);
    if (!own) return true;
    for (const { advert, types } of this.#known.values()) {
      if (advert === own.advert) continue;
      for (const [type, names] of Object.entries(types)) {
        const known = Object.hasOwn(own.types, type) ? own.types[type]! : [];
        if (!Object.hasOwn(own.types, type) || names.some((name) => !known.includes(name))) return false;
      }
    }
    return true;
  }
}

function versions(event: string, upcasters: number): readonly string[] {
  return [`!${event}`, ...Array.from({ length: upcasters }, (_, index) => `!${event}.${index + 2}`)];
}
