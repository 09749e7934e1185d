/**
 * The actor host: all actors that are in memory on one node, and the turns they take.
 *
 * Work goes through one run queue, drained in slices so that I/O and timers always get their turn. The host does no
 * I/O of its own: shards' logs, clock, randomness and diagnostics are handed in, and the simulator hands in others.
 */
import { assert } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import { GreenroomError, type Rejection, type Reroute } from '../core/errors.ts';
import { actorHash } from '../core/hash.ts';
import { type ActorId, type CommandId, parseActorId, type ShardId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { deepFreeze, findNotPlain } from '../core/plain-data.ts';
import type { Random } from '../core/random.ts';
import type { OutgoingTell } from '../persistence/codec.ts';
import { Activation } from './activation.ts';
import type { ActorClass } from './actor.ts';
import { type AskTarget, askChain, askChainMax, closesCycle, closesRemoteCycle } from './ask-cycle.ts';
import { AttemptLine } from './attempts.ts';
import { PromiseCaller } from './callers.ts';
import { CommandIds, childId, fingerprintOf } from './command-ids.ts';
import { deadLetterDefinition } from './dead-letters.ts';
import { type ActorDefinition, actorTypeName, type CommandDefinition, checkFields } from './definition.ts';
import type { Elsewhere, RoutedCommand } from './elsewhere.ts';
import { type Caller, type DeliveryMark, Envelope, nobody } from './envelope.ts';
import { askGated } from './held-asks.ts';
import { DamagedRecordError } from './history.ts';
import { countWake, type HostMetrics, newHostMetrics } from './host-metrics.ts';
import { IdleList, idleSince, leastRecent } from './idle-list.ts';
import {
  attemptsMax,
  heapPressureRatio,
  mailboxLengthMax,
  passivationsPerSweepMax,
  queuedPerNodeMax,
  recoveriesMax,
  sweepEveryMs,
} from './limits.ts';
import type { Mailbox } from './mailbox.ts';
import type { ActorMistaken } from './mistakes.ts';
import type { PendingAppend } from './pending-append.ts';
import { type RefTarget, tellRef, untypedRef } from './refs.ts';
import { RunQueue } from './run-queue.ts';
import type { ShardLog } from './shard-log.ts';
import { Supervision } from './supervision.ts';
import { sendTells } from './tell-sender.ts';
import type { Turn } from './turn.ts';
import { Waker } from './waker.ts';

export interface ActorHostOptions {
  readonly definitions: readonly ActorDefinition[];
  readonly shardCount: number;
  /** The log of a shard this node owns; undefined if it does not. */
  readonly shardLog: (shard: ShardId) => ShardLog | undefined;
  /** Takes commands for actors of shards that this node does not own; without it, it owns all of them. */
  readonly elsewhere?: Elsewhere;
  /** Whether another node serves this command, or event (`!Name`), or type: then it is not unknown, but not here now. */
  readonly isServedElsewhere?: (type: string, name?: string) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Actors in memory at most; beyond it the least recently used leave. */
  readonly maxActive: number;
  /** See limits.ts; simulated crashes, which lose what a dead process leaves to its disk, take a higher one. */
  readonly attemptsMax?: number | undefined;
  /** Deep-freeze everything that user code sees. */
  readonly freeze: boolean;
  /** Share of the heap limit in use, 0 to 1. */
  readonly heapUsed?: () => number;
  readonly mistaken?: ActorMistaken;
}

/** What a caller outside the actors sends. */
export interface OutsideCommand {
  readonly type: string;
  readonly id: ActorId;
  readonly command: string;
  readonly input: unknown;
  readonly caller: Caller;
  readonly timeoutMs: number;
  readonly commandId?: CommandId | undefined;
  readonly since?: number | undefined;
}

const askTimeoutMs = 30_000;
const deletion: CommandDefinition = { name: 'delete', run: () => undefined, schema: undefined };
const waking: CommandDefinition = { name: 'wake', run: () => undefined, schema: undefined };

export class ActorHost implements RefTarget {
  readonly clock: Clock;
  readonly diagnostics: Log;
  readonly freezes: boolean;
  readonly mistaken: ActorMistaken;
  readonly supervision: Supervision;
  readonly attemptLine = new AttemptLine();
  readonly attemptsMax: number;
  readonly metrics: HostMetrics = newHostMetrics();
  readonly waker: Waker;
  /** Commands in mailboxes. */
  queued = 0;

  readonly #options: ActorHostOptions;
  readonly #types = new Map<string, ActorHome>();
  readonly #idleLists: IdleList[] = [];
  readonly #checked = new Set<ActorDefinition>();
  /** Saves the look-up for runs of commands to one type. */
  #latestHome: ActorHome | undefined;
  readonly #queue: RunQueue;
  readonly #ids: CommandIds;
  /** Waits for something outside the run queue: an async turn, a hook. */
  readonly #busy = new Set<Activation>();
  #recovering = 0;
  #awaitingRecovery: Activation[] = [];
  #active = 0;
  #cancelSweep: (() => void) | undefined;
  #sweeps = 0;
  #stopReason: string | undefined;
  #isClosed = false;
  /** Counts commands in the order in which they are sent. */
  #order = 0;
  readonly #commitListeners = new Map<string, Set<() => void>>();

  constructor(options: ActorHostOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.diagnostics = options.log;
    this.freezes = options.freeze;
    this.mistaken = options.mistaken ?? (() => false);
    this.supervision = new Supervision(options.random);
    this.attemptsMax = options.attemptsMax ?? attemptsMax;
    this.#ids = new CommandIds(options.random);
    this.#queue = new RunQueue(options.clock);
    const { shardCount, shardLog, clock } = options;
    this.waker = new Waker({
      shardCount,
      shardLog,
      clock,
      diagnostics: options.log,
      mistaken: this.mistaken,
      isActive: ({ type, id }) => this.#types.get(type)?.activations.has(id) === true,
      wake: ({ type, id }, caller) => this.#wake(type, id, caller),
    });
    for (const definition of [...options.definitions, deadLetterDefinition()]) {
      if (this.#types.has(definition.name)) {
        throw new GreenroomError(
          'BAD_REQUEST',
          `two actor classes are named '${definition.name}'; give one of them another name`,
        );
      }
      const idle = new IdleList(definition.passivateAfterMs);
      this.#idleLists.push(idle);
      this.#types.set(definition.name, { definition, activations: new Map(), idle });
    }
  }

  start(): void {
    this.#scheduleSweep();
    this.waker.start();
  }

  /** Refuses new commands from outside; what runs goes on. */
  stopAdmitting(reason: string): void {
    this.#stopReason = reason;
    this.waker.stop();
  }

  /** Stops looking at time, and runs nothing more. */
  close(): void {
    this.#isClosed = true;
    this.waker.stop();
    this.#queue.close();
    for (const { activations } of this.#types.values())
      for (const activation of activations.values()) activation.abandon();
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get random(): Random {
    return this.#options.random;
  }

  /** Monotonic time: cheap, and at most a slice old while turns are taken. */
  get nowMs(): number {
    return this.#queue.nowMs;
  }

  get activeCount(): number {
    return this.#active;
  }

  /** Nothing runs, waits or is in flight. */
  get isQuiet(): boolean {
    if (this.queued > 0 || this.#busy.size > 0 || !this.#queue.isEmpty || this.waker.isBusy) return false;
    for (const home of this.#types.values()) {
      for (const activation of home.activations.values()) if (activation.pendingAppends > 0) return false;
    }
    return true;
  }

  get definitions(): readonly ActorDefinition[] {
    return this.#options.definitions;
  }

  // ---- looking up -------------------------------------------------------------------------------------------

  home(type: string): ActorHome {
    if (type === this.#latestHome?.definition.name) return this.#latestHome;
    const home = this.#types.get(type);
    if (home) {
      this.#latestHome = home;
      return home;
    }
    if (this.isServedElsewhere(type)) throw notHereYet(type);
    throw new GreenroomError(
      'UNKNOWN_ACTOR_TYPE',
      `there is no actor type '${type}' here; there are ${[...this.#types.keys()].join(', ') || 'none'}`,
    );
  }

  /** @throws GreenroomError `UNKNOWN_ACTOR_TYPE`, `UNKNOWN_COMMAND` */
  definitionOf(type: string, command: string): CommandDefinition {
    const { definition } = this.home(type);
    const found = definition.commands.get(command);
    if (found) return found;
    if (this.isServedElsewhere(type, command)) throw notHereYet(`${type}.${command}`);
    throw new GreenroomError(
      'UNKNOWN_COMMAND',
      `${type} has no command '${command}'; it has ${[...definition.commands.keys()].join(', ') || 'none'}`,
    );
  }

  /** During a rolling upgrade other nodes may know what this one does not. */
  isServedElsewhere(type: string, name?: string): boolean {
    return this.#options.isServedElsewhere?.(type, name) ?? false;
  }

  /** The first instance of a class shows what its prototypes cannot: fields that hide base members. */
  checkInstance(definition: ActorDefinition, instance: object): void {
    if (this.#checked.has(definition)) return;
    checkFields(definition.name, instance);
    this.#checked.add(definition);
  }

  shardOf(hash: number): ShardId {
    return hash % this.#options.shardCount;
  }

  /** A ref whose calls go through `target`. @throws GreenroomError `BAD_REQUEST` for a bad id */
  refFor(target: RefTarget, type: string | (abstract new () => object), id: string): object {
    const actorId = parseActorId(id);
    const name = typeof type === 'string' ? type : actorTypeName(type as ActorClass);
    const home = this.#types.get(name);
    if (home) return new home.definition.refs(target, actorId);
    return untypedRef(target, name, actorId);
  }

  /** `ref`'s commands, sent from outside without waiting: in order, at most once. */
  tell(ref: object): object {
    return tellRef(ref, (type, id, command, input) => {
      this.send({ type, id: id as ActorId, command, input, caller: nobody, timeoutMs: askTimeoutMs });
    });
  }

  // ---- commands in ------------------------------------------------------------------------------------------

  ask(type: string, id: string, command: string, input: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.send({
        type,
        id: id as ActorId,
        command,
        input,
        caller: new PromiseCaller(resolve, reject),
        timeoutMs: askTimeoutMs,
      });
    });
  }

  /** Sends a command; every outcome goes to its caller. */
  send(request: OutsideCommand): void {
    const { commandId = '', since = -1, caller } = request;
    let envelope: Envelope | undefined;
    try {
      const shard = this.#shardElsewhere(request.type, request.id);
      if (shard !== undefined) {
        const input = this.#checkInput(request.type, request.command, request.input);
        if (this.#stopReason !== undefined)
          throw new GreenroomError('UNAVAILABLE', this.#stopReason, { retryAfterMs: 1_000 });
        const deadlineMs = this.nowMs + request.timeoutMs;
        const { type, id, command } = request;
        this.#sendElsewhere({ type, id, shard, command, input, caller, deadlineMs, commandId, since });
        return;
      }
      const command = this.definitionOf(request.type, request.command);
      const input = this.#checkInput(request.type, request.command, request.input);
      const fingerprint = fingerprintOf(commandId, request.command, input);
      const deadlineMs = this.nowMs + request.timeoutMs;
      envelope = new Envelope(command, input, caller, deadlineMs, commandId, fingerprint, since);
      if (this.#stopReason !== undefined)
        throw new GreenroomError('UNAVAILABLE', this.#stopReason, { retryAfterMs: 1_000 });
      this.#deliver(this.home(request.type), request.id, envelope);
    } catch (error) {
      this.#refuse(envelope ?? new Envelope(deletion, undefined, caller, 0), error);
    }
  }

  /** The actor's shard, if it is not served here now. */
  #shardElsewhere(type: string, id: string): ShardId | undefined {
    const { elsewhere } = this.#options;
    if (!elsewhere) return undefined;
    const shard = this.shardOf(actorHash(type, id));
    return elsewhere.isHere(shard) ? undefined : shard;
  }

  #sendElsewhere(
    command: Pick<RoutedCommand, 'type' | 'id' | 'shard' | 'command' | 'input' | 'caller' | 'deadlineMs'> &
      Partial<RoutedCommand>,
  ): void {
    const { type, id, shard, kind = 'command', input, caller, deadlineMs, commandId = '', since = -1 } = command;
    const { delivery, chain, reroute } = command;
    const order = command.order ?? ++this.#order;
    this.#options.elsewhere!.send({
      type,
      id,
      shard,
      kind,
      command: command.command,
      input,
      caller,
      deadlineMs,
      commandId,
      since,
      delivery,
      chain,
      order,
      reroute,
    });
  }

  /** A command that another node routed here, or that waited for a shard to come here. */
  receive(routed: RoutedCommand): void {
    const { type, kind, input, caller, deadlineMs, commandId, since, delivery, chain, order } = routed;
    const id = routed.id as ActorId;
    let envelope: Envelope | undefined;
    try {
      const command = kind === 'delete' ? deletion : this.definitionOf(type, routed.command);
      const fingerprint = fingerprintOf(commandId, routed.command, input);
      envelope = new Envelope(
        command,
        this.frozen(input),
        caller,
        deadlineMs,
        commandId,
        fingerprint,
        since,
        delivery,
        kind,
      );
      envelope.chain = chain;
      envelope.order = order;
      const target = this.#activate(this.home(type), id);
      if (chain && closesRemoteCycle(chain, target)) throw cycle(chain[0]!, `${type}/${id}`);
      this.#enqueue(target, envelope);
    } catch (error) {
      this.#refuse(envelope ?? new Envelope(deletion, undefined, caller, 0), error);
    }
  }

  /** A command whose shard moved away before it had an outcome. False if there is nobody to take it. */
  rerouted(envelope: Envelope, { definition, id, actorHash: hash }: Activation, reroute: Reroute): boolean {
    const { elsewhere } = this.#options;
    // Whoever owns the shard now finds in its index whom to wake.
    if (!elsewhere || this.#isClosed || envelope.kind === 'wake') return false;
    const { kind, command, input, caller, deadlineMs, commandId, since, delivery, chain, order } = envelope;
    elsewhere.send({
      type: definition.name,
      id,
      shard: this.shardOf(hash),
      kind,
      command: command.name,
      input,
      caller,
      deadlineMs,
      commandId: commandId as CommandId,
      since,
      delivery,
      chain,
      order: order === 0 ? ++this.#order : order,
      reroute,
    });
    return true;
  }

  /** These shards are not served here any more: their actors leave memory at once, and what waits is sent after them. */
  dropShards(shards: ReadonlySet<ShardId>): void {
    const isDropped = ({ actorHash: hash }: Activation) => shards.has(this.shardOf(hash));
    this.#awaitingRecovery = this.#awaitingRecovery.filter((activation) => {
      if (!isDropped(activation)) return true;
      this.#recovering += 1;
      return false;
    });
    for (const { activations } of this.#types.values())
      for (const activation of [...activations.values()]) if (isDropped(activation)) activation.moveAway();
  }

  /** Whether anything of these shards still runs, waits or is on its way to disk. */
  isQuietIn(shards: ReadonlySet<ShardId>): boolean {
    for (const { activations } of this.#types.values())
      for (const activation of activations.values())
        if (shards.has(this.shardOf(activation.actorHash)) && activation.isBusy) return false;
    return true;
  }

  /** Deletes an actor, in its mailbox's order. */
  sendDeletion(type: string, id: ActorId, caller: Caller, timeoutMs: number): void {
    const shard = this.#shardElsewhere(type, id);
    if (shard !== undefined) {
      const deadlineMs = this.clock.monotonicMs() + timeoutMs;
      const command = 'delete';
      this.#sendElsewhere({ type, id, shard, kind: 'delete', command, input: undefined, caller, deadlineMs });
      return;
    }
    const envelope = new Envelope(
      deletion,
      undefined,
      caller,
      this.clock.monotonicMs() + timeoutMs,
      '',
      0,
      -1,
      undefined,
      'delete',
    );
    try {
      this.#deliver(this.home(type), id, envelope);
    } catch (error) {
      this.#refuse(envelope, error);
    }
  }

  /** Wakes an actor, if it sleeps, and lets it do what is due. */
  #wake(type: string, id: ActorId, caller: Caller): void {
    const deadlineMs = this.clock.monotonicMs() + askTimeoutMs;
    const envelope = new Envelope(waking, undefined, caller, deadlineMs, '', 0, -1, undefined, 'wake');
    try {
      this.#deliver(this.home(type), id, envelope);
    } catch (error) {
      this.#refuse(envelope, error);
    }
  }

  /** A timer of an actor in memory. */
  timerStruck(activation: Activation, command: string, input: unknown): void {
    if (this.#isClosed || activation.phase === 'gone' || activation.phase === 'failed') return;
    const { commandTimeoutMs, commands } = activation.definition;
    const deadlineMs = this.clock.monotonicMs() + commandTimeoutMs;
    this.#enqueue(activation, new Envelope(commands.get(command)!, this.frozen(input), nobody, deadlineMs));
  }

  /** An ask from inside a command: a child of its turn. */
  askFromTurn(turn: Turn, type: string, id: string, command: string, input: unknown): Promise<unknown> {
    const checked = this.#checkInput(type, command, input);
    turn.asks += 1;
    const ordinal = turn.asks;
    return askGated(turn, (answer) => this.#sendAsk(turn, ordinal, { type, id, command, input: checked }, answer));
  }

  #sendAsk(
    turn: Turn,
    ordinal: number,
    { type, id, command, input }: Pick<RoutedCommand, 'type' | 'id' | 'command' | 'input'>,
    answer: (target: AskTarget) => Caller,
  ): void {
    const shard = this.#shardElsewhere(type, id);
    const isElsewhere = shard !== undefined;
    const definition = isElsewhere ? undefined : this.definitionOf(type, command);
    const target: AskTarget = isElsewhere ? { key: `${type}/${id}` } : this.#activate(this.home(type), id as ActorId);
    const waiter = turn.activation;
    if (!('key' in target) && closesCycle(waiter, target))
      throw cycle(`${waiter.definition.name}/${waiter.id}`, `${type}/${id}`);
    const chain = 'key' in target ? askChain(turn) : undefined;
    if (chain && 'key' in target && (chain.includes(target.key) || chain.length > askChainMax))
      throw cycle(chain[0]!, target.key);
    const parent = turn.envelope;
    let commandId = '';
    if (parent) {
      if (parent.commandId === '') parent.commandId = this.nextCommandId();
      commandId = childId(parent.commandId, ordinal, `${type}/${id}.${command}`);
    }
    const deadlineMs = Math.min(
      parent?.deadlineMs ?? Number.POSITIVE_INFINITY,
      this.clock.monotonicMs() + askTimeoutMs,
    );
    const fingerprint = fingerprintOf(commandId, command, input);
    turn.waitingOn ??= [];
    turn.waitingOn.push(target);
    const caller = answer(target);
    if (isElsewhere) {
      const routed = { type, id, shard, command, input, caller, deadlineMs };
      this.#sendElsewhere({ ...routed, commandId: commandId as CommandId, chain });
    } else {
      this.#enqueue(target as Activation, new Envelope(definition!, input, caller, deadlineMs, commandId, fingerprint));
    }
  }

  /** Commands that arrived while their actor left memory. */
  deliverAgain(definition: ActorDefinition, id: ActorId, mailbox: Mailbox): void {
    const home = this.home(definition.name);
    while (mailbox.length > 0) {
      const envelope = mailbox.shift();
      try {
        this.#deliver(home, id, envelope);
      } catch (error) {
        this.#refuse(envelope, error);
      }
    }
  }

  #checkInput(type: string, command: string, input: unknown): unknown {
    const wrong = findNotPlain(input);
    if (wrong)
      throw new GreenroomError('INVALID_INPUT', `the input of ${type}.${command}${wrong.path} ${wrong.problem}`);
    return this.frozen(input);
  }

  #deliver(home: ActorHome, id: ActorId, envelope: Envelope): void {
    this.#enqueue(this.#activate(home, id), envelope);
  }

  #enqueue(activation: Activation, envelope: Envelope): void {
    envelope.target = activation;
    if (envelope.order === 0) envelope.order = ++this.#order;
    if (activation.mailboxLength >= mailboxLengthMax) {
      this.#refuse(
        envelope,
        new GreenroomError('OVERLOADED', `${mailboxLengthMax} commands wait for this actor already`, {
          retryAfterMs: 200,
        }),
      );
    } else if (this.queued >= queuedPerNodeMax) {
      this.#refuse(
        envelope,
        new GreenroomError('OVERLOADED', `${queuedPerNodeMax} commands wait on this node already`, {
          retryAfterMs: 500,
        }),
      );
    } else {
      this.queued += 1;
      activation.receive(envelope);
    }
  }

  #refuse(envelope: Envelope, error: unknown): void {
    const answer =
      error instanceof GreenroomError ? error : new GreenroomError('COMMAND_FAILED', String(error), { cause: error });
    if (answer.code === 'OVERLOADED') this.metrics.overloads += 1;
    envelope.fail(answer);
  }

  /** The actor in memory; it is woken if it sleeps. @throws GreenroomError if it cannot be now */
  #activate(home: ActorHome, id: ActorId): Activation {
    const known = home.activations.get(id);
    if (known) {
      if (known.phase === 'failed')
        throw (
          this.refusalFor(home.definition.name, id) ??
          new GreenroomError('UNAVAILABLE', 'the actor is being restarted', { retryAfterMs: 100 })
        );
      return known;
    }
    const refusal = this.refusalFor(home.definition.name, id);
    if (refusal) throw refusal;
    const hash = actorHash(home.definition.name, id);
    const log = home.definition.memory ? this.#options.shardLog(this.shardOf(hash)) : undefined;
    if (home.definition.memory && !log) {
      throw new GreenroomError('UNAVAILABLE', `shard ${this.shardOf(hash)} is not served here now`, {
        retryAfterMs: 100,
        reroute: 'refused',
      });
    }
    const activation = new Activation(this, home.definition, id, hash, log);
    home.activations.set(id, activation);
    this.#active += 1;
    if (!log) activation.phase = 'ready';
    else this.#beginRecovery(activation);
    if (this.#active > this.#options.maxActive) this.#passivateLeastRecent(this.#active - this.#options.maxActive);
    return activation;
  }

  #beginRecovery(activation: Activation): void {
    if (this.#recovering < recoveriesMax) {
      this.#recovering += 1;
      this.schedule(activation);
    } else this.#awaitingRecovery.push(activation);
  }

  /** Why an actor cannot be woken now; undefined if it can be tried. */
  refusalFor(type: string, id: string): GreenroomError | undefined {
    const standing = this.supervision.standing(type, id, this.clock.monotonicMs());
    switch (standing.type) {
      case 'fine':
        return undefined;
      case 'backingOff':
        return new GreenroomError('UNAVAILABLE', `${type}/${id} cannot recover: ${standing.reason}`, {
          retryAfterMs: Math.ceil(standing.retryAfterMs),
        });
      case 'quarantined':
        return new GreenroomError(
          'QUARANTINED',
          `${type}/${id} is quarantined: ${standing.reason}. Mend the cause, then resume it`,
          { retryAfterMs: 30_000 },
        );
    }
  }

  schedule(activation: Activation): void {
    this.#queue.schedule(activation);
  }

  // ---- what activations report ------------------------------------------------------------------------------

  recovered(activation: Activation, tookMs: number): void {
    countWake(this.metrics, tookMs, activation.memory.eventsReplayed);
    if (!activation.definition.hasActivateHook) this.supervision.clear(activation.definition.name, activation.id);
    this.#recoveryEnded();
  }

  #recoveryEnded(): void {
    this.#recovering -= 1;
    const next = this.#awaitingRecovery.shift();
    if (!next) return;
    this.#recovering += 1;
    this.schedule(next);
  }

  becameBusy(activation: Activation): void {
    this.#busy.add(activation);
  }

  noLongerBusy(activation: Activation): void {
    this.#busy.delete(activation);
  }

  becameIdle(activation: Activation): void {
    this.home(activation.definition.name).idle.touch(activation, this.nowMs);
    if (this.#active > this.#options.maxActive) this.#passivateLeastRecent(this.#active - this.#options.maxActive);
  }

  /** An activation is out of memory. */
  left(activation: Activation): void {
    const home = this.home(activation.definition.name);
    assert(home.activations.get(activation.id) === activation, 'an actor leaves memory once');
    home.activations.delete(activation.id);
    home.idle.remove(activation);
    this.#busy.delete(activation);
    this.#active -= 1;
    this.metrics.passivations += 1;
    this.waker.left(activation);
  }

  /** A recovery that met a damaged record begins anew once it is repaired; any other, or one that is not, has failed. */
  recoverOnceRepaired(activation: Activation, error: unknown, failed: () => void): void {
    if (!(error instanceof DamagedRecordError)) {
      failed();
      return;
    }
    activation.phase = 'repairing';
    this.becameBusy(activation);
    activation.log!.awaitRepair(error.position, (isRepaired) => {
      if (activation.phase !== 'repairing') return;
      this.noLongerBusy(activation);
      activation.phase = 'recovering';
      if (isRepaired) this.#beginRecovery(activation);
      else failed();
    });
  }

  /** A failed recovery gives its place to the next one. */
  recoveryAbandoned(): void {
    this.#recoveryEnded();
  }

  recordCommitted(activation: Activation, pending: PendingAppend): void {
    this.metrics.recordsCommitted += 1;
    if (!pending.hasEvents || this.#commitListeners.size === 0) return;
    const listeners = this.#commitListeners.get(`${activation.definition.name}/${activation.id}`);
    if (listeners) for (const listener of [...listeners]) listener();
  }

  /** Calls `listener` after each commit of events of one actor; returns what ends it. */
  onCommit(type: string, id: string, listener: () => void): () => void {
    const key = `${type}/${id}`;
    let listeners = this.#commitListeners.get(key);
    if (!listeners) {
      listeners = new Set();
      this.#commitListeners.set(key, listeners);
    }
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#commitListeners.delete(key);
    };
  }

  refusedDelivery(activation: Activation, envelope: Envelope, answer: GreenroomError | Rejection): void {
    this.metrics.tellsRefused += 1;
    const { senderType, senderId, number } = envelope.delivery!;
    activation.diagnostics.warn('a tell was refused; it is not sent again', {
      from: `${senderType}/${senderId}`,
      number,
      command: envelope.command.name,
      code: answer.code,
      reason: answer.message,
    });
  }

  frozen<T>(value: T): T {
    return this.freezes ? deepFreeze(value) : value;
  }

  nextCommandId(): string {
    return this.#ids.next();
  }

  /** The record of these tells is committed; they are in the outbox. */
  sendTells(sender: Activation, tells: readonly OutgoingTell[]): void {
    sendTells(this, sender, tells);
  }

  /** A tell from an outbox, as a command. */
  deliverTell(tell: OutgoingTell, mark: DeliveryMark, caller: Caller): void {
    try {
      const deadlineMs = this.nowMs + askTimeoutMs;
      const shard = this.#shardElsewhere(tell.type, tell.id);
      if (shard !== undefined) {
        const { type, id, command, input } = tell;
        this.#sendElsewhere({ type, id, shard, command, input, caller, deadlineMs, delivery: mark });
        return;
      }
      const command = this.definitionOf(tell.type, tell.command);
      const envelope = new Envelope(command, this.frozen(tell.input), caller, deadlineMs, '', 0, -1, mark);
      this.#deliver(this.home(tell.type), tell.id as ActorId, envelope);
    } catch (error) {
      this.#refuse(new Envelope(deletion, undefined, caller, 0), error);
    }
  }

  // ---- time and memory --------------------------------------------------------------------------------------

  #scheduleSweep(): void {
    this.#cancelSweep = this.clock.schedule(sweepEveryMs, () => {
      this.sweep();
      this.#scheduleSweep();
    });
  }

  /** Time-outs, idle actors, memory pressure. */
  sweep(): void {
    const { nowMs } = this;
    for (const activation of [...this.#busy]) activation.sweep(nowMs);
    this.attemptLine.sweep(nowMs);
    this.#passivate(idleSince(this.#idleLists, nowMs, passivationsPerSweepMax));
    this.#sweeps += 1;
    if (this.#sweeps % 10 === 0 && this.#options.heapUsed && this.#options.heapUsed() > heapPressureRatio) {
      const count = Math.ceil(this.#active / 10);
      this.diagnostics.warn('the heap is nearly full; the least recently used actors leave memory', { actors: count });
      this.#passivateLeastRecent(count);
    }
  }

  #passivateLeastRecent(count: number): void {
    this.#passivate(leastRecent(this.#idleLists, count));
  }

  #passivate(activations: Iterable<Activation>): void {
    for (const activation of activations) if (activation.isIdle) activation.beginPassivation();
  }
}

function notHereYet(what: string): GreenroomError {
  return new GreenroomError(
    'UNAVAILABLE',
    `this node does not know ${what}, but another member does: it will be served once the upgrade is through`,
    { retryAfterMs: 1_000 },
  );
}

function cycle(waiter: string, target: string): GreenroomError {
  return new GreenroomError(
    'ASK_CYCLE',
    `${waiter} asks ${target}, which waits for it: use tell where no answer is needed, or let one of them go first`,
  );
}

/** All actors of one type in memory. */
export interface ActorHome {
  readonly definition: ActorDefinition;
  readonly activations: Map<string, Activation>;
  readonly idle: IdleList;
}
