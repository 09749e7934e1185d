/**
 * Clients of a cluster in trouble: they add tokens to ledgers through any node, with a key of their own, again with the
 * same key until they are answered; and hold what they were told against what is there in the end.
 */
export interface Told {
  readonly ledger: string;
  readonly token: string;
  readonly isPair: boolean;
  readonly client: number;
  /** In the order of this client's commands to this ledger. */
  readonly order: number;
  readonly startMs: number;
  readonly endMs: number;
  /** The length that the reply told; undefined if it never was answered. */
  readonly length: number | undefined;
}

interface Read {
  readonly ledger: string;
  readonly startMs: number;
  readonly length: number;
}

export interface ClientsReport {
  readonly answered: number;
  readonly unanswered: number;
  readonly retries: number;
  readonly longestPauseMs: number;
  /** By code, of attempts that were tried again. */
  readonly errors: Readonly<Record<string, number>>;
}

/** A caller that hears nothing from its node goes to another one. */
const attemptTimeoutMs = 2_000;
const giveUpAfterMs = 60_000;

export class ChaosClients {
  readonly told: Told[] = [];
  readonly #reads: Read[] = [];
  readonly #urls: () => readonly string[];
  readonly #ledgers: number;
  #errors: Record<string, number> = {};
  #retries = 0;
  #isRunning = true;
  #firstOfPhase = 0;
  readonly #loops: Promise<void>[] = [];
  readonly #orders = new Map<string, number>();

  constructor(urls: () => readonly string[], clients: number, ledgers: number) {
    this.#urls = urls;
    this.#ledgers = ledgers;
    for (let client = 0; client < clients; client++) this.#loops.push(this.#run(client));
  }

  /** What happened since the last call. */
  phase(): ClientsReport {
    const told = this.told.slice(this.#firstOfPhase);
    this.#firstOfPhase = this.told.length;
    const report = {
      answered: told.filter(({ length }) => length !== undefined).length,
      unanswered: told.filter(({ length }) => length === undefined).length,
      retries: this.#retries,
      longestPauseMs: Math.max(0, ...told.map(({ startMs, endMs }) => endMs - startMs)),
      errors: this.#errors,
    };
    this.#errors = {};
    this.#retries = 0;
    return report;
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#loops);
  }

  async #run(client: number): Promise<void> {
    for (let count = 1; this.#isRunning; count++) {
      const ledger = `l${Math.floor(Math.random() * this.#ledgers)}`;
      const startMs = performance.now();
      if (count % 4 === 0) {
        const reply = await this.#untilAnswered(ledger, 'list', undefined, undefined);
        if (reply) this.#reads.push({ ledger, startMs, length: (reply as string[]).length });
        continue;
      }
      const isPair = count % 5 === 0;
      const token = `${client}.${count}`;
      const orderKey = `${client} ${ledger}`;
      const order = (this.#orders.get(orderKey) ?? 0) + 1;
      this.#orders.set(orderKey, order);
      const length = (await this.#untilAnswered(ledger, isPair ? 'addTwo' : 'add', token, token)) as number | undefined;
      this.told.push({ ledger, token, isPair, client, order, startMs, endMs: performance.now(), length });
    }
  }

  async #untilAnswered(ledger: string, command: string, input: unknown, key: string | undefined): Promise<unknown> {
    const endMs = performance.now() + giveUpAfterMs;
    const silent = new Set<string>();
    while (performance.now() < endMs) {
      const all = this.#urls();
      const talking = all.filter((each) => !silent.has(each));
      if (talking.length === 0) silent.clear();
      const urls = talking.length === 0 ? all : talking;
      const url = urls[Math.floor(Math.random() * urls.length)];
      if (url === undefined) {
        await pause(50);
        continue;
      }
      try {
        const response = await fetch(`${url}/v1/actors/Ledger/${ledger}/${command}`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', ...(key ? { 'Idempotency-Key': key } : {}) },
          ...(input === undefined ? {} : { body: JSON.stringify(input) }),
          signal: AbortSignal.timeout(attemptTimeoutMs),
        });
        if (response.ok) return await response.json();
        this.#count(((await response.json()) as { code: string }).code);
      } catch (error) {
        silent.add(url);
        this.#count((error as { cause?: { code?: string } }).cause?.code ?? (error as Error).name);
      }
      this.#retries += 1;
      await pause(20 + Math.random() * 60);
    }
    return undefined;
  }

  #count(code: string): void {
    this.#errors[code] = (this.#errors[code] ?? 0) + 1;
  }

  /** Reads everything through each of the nodes. @returns what must not be */
  async check(urls: readonly string[]): Promise<readonly string[]> {
    const violations: string[] = [];
    for (let index = 0; index < this.#ledgers; index++) {
      const ledger = `l${index}`;
      const lists: string[][] = [];
      for (const url of urls) {
        const response = await fetch(`${url}/v1/actors/Ledger/${ledger}/list`, {
          method: 'POST',
          signal: AbortSignal.timeout(30_000),
        });
        if (!response.ok) violations.push(`${ledger}: ${url} answers ${response.status}: ${await response.text()}`);
        else lists.push((await response.json()) as string[]);
      }
      if (new Set(lists.map((list) => list.join())).size > 1) violations.push(`${ledger}: nodes differ`);
      if (lists[0]) this.#checkLedger(ledger, lists[0], violations);
    }
    return violations;
  }

  #checkLedger(ledger: string, tokens: readonly string[], violations: string[]): void {
    if (new Set(tokens).size !== tokens.length) violations.push(`${ledger}: something is there twice`);
    const at = new Map(tokens.map((token, index) => [token, index + 1]));
    const mine = this.told.filter((told) => told.ledger === ledger);
    for (const { token, isPair, length } of mine) {
      const [first, last] = isPair ? [at.get(`${token}/1`), at.get(`${token}/2`)] : [at.get(token), at.get(token)];
      if ((first === undefined) !== (last === undefined)) violations.push(`${ledger}: ${token} was torn apart`);
      if (length === undefined) continue;
      if (last === undefined) violations.push(`${ledger}: ${token} was acknowledged and is lost`);
      else if (last !== length) violations.push(`${ledger}: ${token} is at ${last}, its client was told ${length}`);
    }
    // What was answered before another began comes before it.
    const answered = mine.filter(({ length }) => length !== undefined).sort((a, b) => a.endMs - b.endMs);
    let newest = 0;
    let done = 0;
    for (const told of [...answered].sort((a, b) => a.startMs - b.startMs)) {
      for (; done < answered.length && answered[done]!.endMs < told.startMs; done++)
        newest = Math.max(newest, answered[done]!.length!);
      if (told.length! <= newest) violations.push(`${ledger}: ${told.token} came before what was answered before it`);
    }
    for (const { startMs, length } of this.#reads.filter((read) => read.ledger === ledger)) {
      const known = Math.max(0, ...answered.filter(({ endMs }) => endMs < startMs).map((told) => told.length!));
      if (length < known) violations.push(`${ledger}: a read saw ${length} tokens after ${known} were acknowledged`);
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
