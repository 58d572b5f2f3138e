/**
 * The page's side of the engine's worker: each command is a promise that can be stopped. If the worker crashes, all
 * open commands reject and it is terminated; a new client starts a new worker.
 */

import { InfLlavaError } from '../errors.js';
import { startWorker } from './policy.js';
import type { CommandName, Commands, EngineEvent, Message } from './protocol.js';

export interface Running<T> {
  promise: Promise<T>;
  stop: () => void;
}

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: InfLlavaError) => void;
  onEvent: (event: EngineEvent) => void;
}

export class EngineClient {
  readonly #worker: Worker;
  /** The name of the worker, and of the lock that it holds while it runs. */
  readonly #name: string;
  readonly #ended = new AbortController();
  readonly #waiting = new Map<number, Waiting>();
  #crash: InfLlavaError | null = null;
  /** Whether the worker has sent anything; if not, it was never started. */
  #heard = false;
  #nextId = 1;

  /** @throws `worker` */
  constructor(script: URL) {
    this.#name = `inf-llava worker ${Date.now()} ${Math.random()}`;
    this.#worker = startWorker(script, this.#name);
    this.#worker.addEventListener('message', ({ data }) => this.#receive(data));
    this.#worker.addEventListener('messageerror', () => this.#crashed('crashed', 'a message could not be read'));
    this.#worker.addEventListener('error', (event) => {
      event.preventDefault();
      // A script that was not loaded sends nothing.
      this.#crashed(this.#heard ? 'crashed' : 'worker', event.message ?? `the worker ended; is ${script.href} there, and may this page run it?`);
    });
  }

  /** Why it ended, if it has. */
  get crash(): InfLlavaError | null {
    return this.#crash;
  }

  send<Name extends CommandName>(
    command: Name,
    args: Commands[Name][0],
    onEvent: (event: EngineEvent) => void = () => {},
    transfer: Transferable[] = [],
  ): Running<Commands[Name][1]> {
    const id = this.#nextId++;
    const promise = new Promise<Commands[Name][1]>((resolve, reject) => {
      if (this.#crash) reject(this.#crash);
      else this.#waiting.set(id, { resolve, reject, onEvent });
    });
    if (!this.#crash) this.#worker.postMessage({ id, command, args }, transfer);
    return { promise, stop: () => this.#worker.postMessage({ stop: id }) };
  }

  /** Ends the worker, which frees all its memory. */
  end(): void {
    this.#crashed('unloaded', 'the model was unloaded');
  }

  #receive(message: Message) {
    this.#heard = true;
    if (message.type === 'crashed') {
      this.#crashed(message.code ?? 'crashed', message.message);
      return;
    }
    if (message.type === 'alive') {
      const { signal } = this.#ended;
      const gone = () => this.#crashed('crashed', 'the worker was ended from outside');
      navigator.locks.request(this.#name, { signal }, gone).catch(() => {}); // aborted: the worker was ended on purpose
      return;
    }
    const command = this.#waiting.get(message.id);
    if (!command) return;
    if (message.type === 'event') {
      command.onEvent(message.event);
      return;
    }
    this.#waiting.delete(message.id);
    if (message.type === 'result') command.resolve(message.value as never);
    else command.reject(InfLlavaError.from(message.error));
  }

  #crashed(code: string, message: string) {
    if (this.#crash) return;
    this.#crash = new InfLlavaError(code, message);
    this.#ended.abort();
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(this.#crash);
    this.#waiting.clear();
  }
}
