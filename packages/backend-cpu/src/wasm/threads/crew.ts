import { KvtunerError } from "@kvtuner/plan";
import { kernelWorker } from "../../../generated/kernels.js";
import { createControl, type Job, readFailure, WORDS, writeJob } from "./control.ts";
import { Mailbox } from "./mailbox.ts";

/** How long the caller polls for the end of the others' tasks before it sleeps. */
const SPIN_MS = 0.1;
/** No task takes nearly this long. */
const LOST_MS = 60_000;

/** The calling thread and some workers, which share out the tasks of one job at a time. */
export class Crew {
  readonly #control: Int32Array<SharedArrayBuffer> = createControl();
  readonly #canWait: boolean = canWait(this.#control);
  readonly #workers: readonly Mailbox[];
  #jobs = 0;
  #failure: ThreadFailure | undefined;

  /** `threads` includes the caller's. Each worker receives `{ start }` first. */
  constructor(threads: number) {
    const onDeath = (cause: unknown): void => void this.#break("a worker to keep running", cause);
    this.#workers = Array.from({ length: threads - 1 }, () => new Mailbox(kernelWorker, onDeath));
  }

  /** Resolves when all workers are ready. */
  async start(): Promise<void> {
    await this.#send((lane) => ({ start: { control: this.#control, words: WORDS, lane } }));
  }

  /** Sends a message to all workers between two jobs, and wakes them. Resolves when all have answered. */
  async send(message: unknown): Promise<void> {
    await this.#send(() => message);
  }

  async #send(messageFor: (lane: number) => unknown): Promise<void> {
    const answers = this.#workers.map((worker, index) => worker.send(messageFor(index + 1)));
    Atomics.add(this.#control, WORDS.mail, 1);
    this.#post(0);
    await Promise.all(answers).catch((cause: unknown) => {
      throw this.#break("a worker to start", cause);
    });
  }

  /**
   * Runs all tasks of a job and returns when they are done. The caller runs its share, or everything if no worker wakes, so
   * nothing depends on a sleeping worker.
   *
   * @throws ThreadFailure `BACKEND_THREAD_FAILED` when a worker failed, now or before
   */
  run(job: Job, runTask: (scratch: number, task: readonly number[]) => void): void {
    if (this.#failure) throw this.#failure;
    const control = this.#control;
    writeJob(control, job);
    Atomics.store(control, WORDS.failed, 0);
    Atomics.store(control, WORDS.done, 0);
    this.#post(job.tasks.length);
    try {
      for (let task = this.#claim(); task >= 0; task = this.#claim()) {
        Atomics.add(control, WORDS.done, 1);
        runTask(job.scratch, job.tasks[task]!);
      }
    } finally {
      this.#finish(job);
    }
    if (Atomics.load(control, WORDS.failed) !== 0)
      throw new ThreadFailure("every task to succeed", readFailure(control));
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }

  #post(tasks: number): void {
    this.#jobs++;
    Atomics.store(this.#control, WORDS.state, (this.#jobs * (WORDS.leftMask + 1)) | tasks);
    Atomics.notify(this.#control, WORDS.state);
  }

  #claim(): number {
    for (;;) {
      const state = Atomics.load(this.#control, WORDS.state);
      const left = state & WORDS.leftMask;
      if (left === 0) return -1;
      if (Atomics.compareExchange(this.#control, WORDS.state, state, state - 1) === state)
        return this.#control[WORDS.tasks]! - left;
    }
  }

  /** After an error of the caller's own, prevents further tasks and waits for the running ones. */
  #finish(job: Job): void {
    for (let task = this.#claim(); task >= 0; task = this.#claim()) Atomics.add(this.#control, WORDS.done, 1);
    const { length } = job.tasks;
    const startedMs = performance.now();
    for (;;) {
      const done = Atomics.load(this.#control, WORDS.done);
      if (done === length) return;
      const waitedMs = performance.now() - startedMs;
      if (waitedMs > LOST_MS)
        throw this.#break(`all tasks to finish within ${LOST_MS} ms`, `${length - done} unfinished`);
      if (this.#canWait && waitedMs > SPIN_MS) Atomics.wait(this.#control, WORDS.done, done, LOST_MS);
    }
  }

  #break(expected: string, cause: unknown): ThreadFailure {
    this.#failure ??= new ThreadFailure(expected, cause);
    return this.#failure;
  }
}

/** A page's main thread may not sleep. */
const canWait = (control: Int32Array<SharedArrayBuffer>): boolean => {
  try {
    return Atomics.wait(control, WORDS.done, -1) === "not-equal";
  } catch {
    return false;
  }
};

/** A kernel thread failed. */
export class ThreadFailure extends KvtunerError {
  constructor(expected: string, cause: unknown) {
    const got = cause instanceof Error ? cause.message : String(cause);
    super("BACKEND_THREAD_FAILED", `expected ${expected}, got ${got}; dispose of the backend and create another`, {
      cause,
    });
    this.name = "ThreadFailure";
  }
}
