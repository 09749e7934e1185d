/**
 * Modules of this package in processes of their own: load generators and nodes. A child ends when its parent does (its
 * channel closes), so that an interrupted benchmark leaves nothing behind. Only children are ever ended here.
 */
import { type ChildProcess, fork } from 'node:child_process';

/** How long a child may take to end after it was asked. Beyond: SIGKILL. */
const endWithinMs = 15_000;

/** Starts a module; one in TypeScript (when the benchmarks run from their sources) by way of jiti. */
export function forkModule(module: URL, nodeFlags: readonly string[] = []): ChildProcess {
  const isSource = module.pathname.endsWith('.ts');
  return fork(module, [], {
    execArgv: [...(isSource ? ['--import', import.meta.resolve('jiti/register')] : []), ...nodeFlags],
    serialization: 'json',
    env: { ...process.env, UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '8' },
  });
}

/** The module beside this file, compiled or not as this file is. */
export function siblingModule(path: string, from: string): URL {
  return new URL(from.endsWith('.ts') ? `${path}.ts` : `${path}.js`, from);
}

/** The next message. @throws Error if the child says `{ error }`, ends, or says nothing within `withinMs` */
export function nextMessage<T>(child: ChildProcess, withinMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      child.off('error', onError);
      act();
    };
    const onMessage = (message: unknown): void => {
      const { error } = message as { error?: string };
      settle(() => (error === undefined ? resolve(message as T) : reject(new Error(error))));
    };
    const onExit = (code: number | null): void =>
      settle(() => reject(new Error(`a process of the benchmark ended with ${code ?? 'a signal'}`)));
    const onError = (error: Error): void => settle(() => reject(error));
    const timer = setTimeout(
      () => settle(() => reject(new Error(`a process of the benchmark said nothing for ${withinMs} ms`))),
      withinMs,
    );
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.on('error', onError);
  });
}

/** Asks a child to end, and waits until it is gone. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const timer = setTimeout(() => child.kill('SIGKILL'), endWithinMs);
  child.kill(signal);
  await gone;
  clearTimeout(timer);
}

/** For the child: calls `receive` for each message, answers what it returns or `{ error }`, and ends with the parent. */
export function answerParent(receive: (message: never) => Promise<object>): void {
  process.on('message', (message) => {
    receive(message as never).then(
      (answer) => process.send!(answer),
      (error: Error) => process.send!({ error: error.stack ?? String(error) }),
    );
  });
  process.once('disconnect', () => process.exit(0));
}
