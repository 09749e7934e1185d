/**
 * Whether a node may go on with what is left of a damaged data directory, and as whom. Only where nobody else has what is
 * lost: peers that hold copies fill an empty directory without any loss.
 *
 * - A node alone begins a new cluster with it, as after a restore: nobody else knows what it was.
 * - With one replica in a cluster of several, the store joins its cluster anew, as an empty one would, and brings its logs:
 *   its shards are lost there, and when that is accepted, everyone who is left is asked for the best log.
 */
import { addressesRow, readAddresses } from './cluster/membership/address-book.ts';
import type { NodeOptions } from './cluster/node-options.ts';
import { systemRandom } from './cluster/system-clock.ts';
import { silentLog } from './core/log.ts';
import { randomName } from './core/random.ts';
import { JournalError } from './persistence/journal.ts';
import { type Remains, type SalvagedShard, salvageStore } from './persistence/salvage-store.ts';
import type { PeerAddress } from './transport/transport.ts';

/** A control row: the members that a store is to join, until it knows its cluster. */
export const joiningRow = 'joining';

/** Shards that one line of the log names. */
const shardsPerLine = 32;

/**
 * Makes a sound store of a damaged one, if that was asked for.
 *
 * @param damage why the store does not open
 * @throws JournalError `STORE_DAMAGED`, with what to do, if it was not asked for or may not be done
 */
export async function salvage(options: NodeOptions, directory: string, damage: JournalError): Promise<void> {
  if (!options.acceptLoss)
    throw refused(
      damage,
      'If no other node has copies, `greenroom start --accept-loss` goes on with what verifies, and keeps the damaged directory beside it.',
    );
  const { log = silentLog } = options;
  log.warn('the data directory is damaged; going on with what verifies', { damage: damage.message });
  const { shards, keptAt } = await salvageStore(directory, (remains) => planOf(options, remains, damage));
  const given = shards.filter(({ kept, known }) => known > kept);
  for (let from = 0; from < given.length; from += shardsPerLine)
    log.warn('records are given up: of these shards those above the position that is kept, up to the newest known', {
      shards: given.slice(from, from + shardsPerLine).map(textOf),
    });
  const quarantined = shards.reduce((sum, { damagedBodies }) => sum + damagedBodies, 0);
  log.warn('what verifies is kept; records after the newest of a shard may be gone without a trace', {
    shards: shards.length,
    records: shards.reduce((sum, { kept }) => sum + kept, 0),
    damagedBodies: quarantined,
    shardsCutOff: given.length,
    damagedDirectory: keptAt,
  });
}

function textOf({ shard, kept, known }: SalvagedShard): string {
  return `${shard}: kept ${kept} of ${known}`;
}

function planOf(options: NodeOptions, { identity, controls, shards }: Remains, damage: JournalError) {
  const storeId = randomName(systemRandom, 12);
  const written = controls.get(addressesRow);
  const others = written && readAddresses(written)[1].filter(([store]) => store !== identity.storeId);
  if (identity.replicas > 1 && (shards.some(({ copies }) => copies > 1) || (others && others.length > 0)))
    throw refused(
      damage,
      'Nothing was accepted: this node was in a cluster of several, whose other nodes have copies. Move the directory away and start with --join: the node is filled from them, and nothing is lost. If their disks are lost, too, see `greenroom recover` there.',
    );
  if (!others && !options.found)
    throw refused(
      damage,
      'Nothing was accepted: what says whether this node was in a cluster of several is damaged, too. If it was alone, give --found as well.',
    );
  if (!others || others.length === 0)
    return { clusterId: randomName(systemRandom, 12), storeId, controls: new Map<string, Buffer>() };
  const seeds: PeerAddress[] = others.map(([store, address]) => ({ storeId: store, address }));
  return {
    clusterId: identity.clusterId,
    storeId,
    controls: new Map([[joiningRow, Buffer.from(JSON.stringify(seeds))]]),
  };
}

function refused(damage: JournalError, what: string): JournalError {
  return new JournalError(damage.code, `${damage.message} ${what}`, damage);
}
