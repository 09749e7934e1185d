/** The node's figures, named as Prometheus names them. */
import type { ActorHost } from '../actors/actor-host.ts';
import { wakeBucketsMs } from '../actors/host-metrics.ts';
import type { MetricHistogram, MetricSample } from './gateway.ts';
import type { ClusterMember } from './member.ts';
import { clusterHealth } from './membership/cluster-health.ts';

export function nodeMetrics(
  host: ActorHost,
  member: ClusterMember,
  pendingBytes: number,
): readonly (MetricSample | MetricHistogram)[] {
  const { metrics } = host;
  const { map } = member;
  const health = map && clusterHealth(map);
  const membersUp = [...(map?.members.values() ?? [])].filter(({ status }) => status === 'up').length;
  return [
    counter('greenroom_commands_total', 'Commands run', metrics.commands),
    counter('greenroom_rejections_total', 'Commands that answered with a rejection', metrics.rejections),
    counter('greenroom_failures_total', 'Commands that failed; nothing of them was kept', metrics.failures),
    counter(
      'greenroom_replayed_answers_total',
      'Retries answered from the record of their first attempt',
      metrics.replayedAnswers,
    ),
    counter('greenroom_overloads_total', 'Commands refused because too many waited', metrics.overloads),
    counter('greenroom_records_committed_total', 'Records committed', metrics.recordsCommitted),
    counter('greenroom_snapshots_total', 'Snapshots taken', metrics.snapshots),
    counter('greenroom_activations_total', 'Actors woken', metrics.activations),
    counter('greenroom_events_replayed_total', 'Events replayed to wake actors', metrics.eventsReplayed),
    counter('greenroom_passivations_total', 'Actors that left memory', metrics.passivations),
    counter('greenroom_tells_delivered_total', 'Tells recorded by their receivers', metrics.tellsDelivered),
    counter('greenroom_tells_refused_total', 'Tells that their receivers refused for good', metrics.tellsRefused),
    counter('greenroom_dead_letters_total', 'Tells and reminders that became dead letters', metrics.deadLetters),
    counter('greenroom_reminder_ticks_total', 'Reminders that fired', metrics.ticks),
    counter(
      'greenroom_attempts_total',
      'Deliveries and ticks that an earlier owner may have died of, recorded before they ran again',
      metrics.attempts,
    ),
    gauge('greenroom_actors_active', 'Actors in memory', host.activeCount),
    gauge(
      'greenroom_actors_quarantined',
      'Actors that cannot recover and wait for an operator',
      host.supervision.quarantined,
    ),
    counter(
      'greenroom_records_repaired_total',
      'Damaged records that were replaced by the same record of another copy',
      member.shards.repairs.repairedTotal,
    ),
    gauge('greenroom_records_damaged', 'Records known to be damaged on this node', member.shards.repairs.damaged),
    counter(
      'greenroom_copies_forgotten_total',
      'Copies of shards that moved away, deleted after a while',
      member.shards.forgetting.forgottenTotal,
    ),
    gauge('greenroom_commands_queued', 'Commands in mailboxes', host.queued),
    gauge('greenroom_shards_owned', 'Shards this node owns', [...member.shards.allOwned].length),
    gauge('greenroom_shards_under_replicated', 'Shards with fewer copies than wanted', health?.underReplicated ?? 0),
    gauge('greenroom_shards_without_owner', 'Shards that nobody serves', health?.withoutOwner ?? 0),
    gauge('greenroom_shards_lost', 'Shards that stop because too many of their copies are gone', health?.lost ?? 0),
    counter(
      'greenroom_losses_accepted_total',
      'How often an operator had a shard go on with what was left of it; the same on every node',
      health?.lossesAccepted ?? 0,
    ),
    gauge('greenroom_members_up', 'Members that are up, as far as this node knows', membersUp),
    gauge('greenroom_map_version', 'Version of the cluster map', map?.version ?? 0),
    gauge(
      'greenroom_commands_routed',
      'Commands on their way to other nodes, or waiting for an owner',
      member.router.length,
    ),
    counter(
      'greenroom_commands_relayed_total',
      'Commands passed on for nodes that cannot reach the owner themselves',
      member.router.relayed,
    ),
    gauge('greenroom_journal_pending_bytes', 'Bytes appended and not durable yet', pendingBytes),
    {
      name: 'greenroom_wake_seconds',
      kind: 'histogram',
      help: 'From the command that wakes an actor to its first turn',
      buckets: wakeBucketsMs.map((ms, index) => ({ le: ms / 1_000, count: metrics.wakeCounts[index]! })),
      sum: metrics.wakeMsSum / 1_000,
      count: metrics.activations,
    },
  ];
}

function counter(name: string, help: string, value: number): MetricSample {
  return { name, kind: 'counter', help, value };
}

function gauge(name: string, help: string, value: number): MetricSample {
  return { name, kind: 'gauge', help, value };
}
