import { type KernelWorker, startWorker } from "./start-worker.ts";

interface Receipt {
  readonly resolve: () => void;
  readonly reject: (cause: Error) => void;
}

/** A worker that answers each message once, in order. It keeps the program alive only until it has answered. */
export class Mailbox {
  readonly #worker: KernelWorker;
  readonly #due: Receipt[] = [];
  #death: Error | undefined;

  /** Calls `onDeath` if the worker ends unasked. */
  constructor(source: string, onDeath: (cause: Error) => void) {
    this.#worker = startWorker(source, {
      message: ({ error }) => this.#answer(error),
      death: (cause) => {
        this.#death ??= cause;
        onDeath(cause);
        for (const { reject } of this.#due.splice(0)) reject(cause);
      },
    });
    this.#worker.keepAlive(false);
  }

  /** Resolves when the worker has done as the message says; rejects if it could not. */
  send(message: unknown): Promise<void> {
    if (this.#death) return Promise.reject(this.#death);
    return new Promise((resolve, reject) => {
      this.#due.push({ resolve, reject });
      this.#worker.keepAlive(true);
      this.#worker.post(message);
    });
  }

  /** Ends the worker; pending answers count as given. */
  async end(): Promise<void> {
    for (const { resolve } of this.#due.splice(0)) resolve();
    await this.#worker.end();
  }

  #answer(error: string | undefined): void {
    const receipt = this.#due.shift();
    if (this.#due.length === 0) this.#worker.keepAlive(false);
    if (error === undefined) receipt?.resolve();
    else receipt?.reject(new Error(error));
  }
}
