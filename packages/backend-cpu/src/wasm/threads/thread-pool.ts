import type { Job } from "./control.ts";
import { Crew } from "./crew.ts";

/** A memory that the workers run the kernels on, by its number in the pool. */
export interface PooledArena {
  readonly id: number;
  readonly memory: WebAssembly.Memory;
}

/**
 * A worker releases a memory when its engine collects garbage, which a sleeping worker does not. So the pool replaces its
 * workers once released memories add up to this many bytes, or this many memories: each takes gigabytes of addresses, of
 * which a page has enough for about a hundred.
 */
const MOST_KEPT_BYTES = 64 * 2 ** 20;
const MOST_KEPT_MEMORIES = 16;

/**
 * The threads of a backend. Runs one job at a time: `run` returns when the job is done. Several caches share the pool because
 * their calls take turns on the caller's thread.
 */
export class ThreadPool {
  readonly threads: number;
  readonly #module: WebAssembly.Module;
  readonly #arenas = new Set<PooledArena>();
  #crew: Crew;
  #nextId = 1;
  #keptBytes = 0;
  #keptMemories = 0;
  #ended = false;

  /** Not ready before {@link start} resolves. */
  constructor(threads: number, module: WebAssembly.Module) {
    this.threads = threads;
    this.#module = module;
    this.#crew = new Crew(threads);
  }

  /** @throws ThreadFailure `BACKEND_THREAD_FAILED` when a worker does not start */
  async start(): Promise<void> {
    await Promise.all([this.#crew.start(), this.#crew.send(this.#adding([...this.#arenas]))]);
  }

  /** A number for a new arena. */
  nextId(): number {
    return this.#nextId++;
  }

  /**
   * Gives the workers more memories.
   *
   * @throws ThreadFailure `BACKEND_THREAD_FAILED` when a worker cannot
   */
  async add(arenas: readonly PooledArena[]): Promise<void> {
    if (this.#ended) return;
    for (const arena of arenas) this.#arenas.add(arena);
    await this.#crew.send(this.#adding(arenas));
  }

  /** Makes the workers release memories. If this needs new workers, the caller works alone until they are ready. */
  async remove(arenas: readonly PooledArena[]): Promise<void> {
    const removed = arenas.filter((arena) => this.#arenas.delete(arena));
    if (removed.length === 0) return;
    this.#keptMemories += removed.length;
    for (const { memory } of removed) this.#keptBytes += memory.buffer.byteLength;
    if (this.#keptBytes >= MOST_KEPT_BYTES || this.#keptMemories >= MOST_KEPT_MEMORIES) await this.#replaceCrew();
    else await this.#crew.send({ remove: removed.map(({ id }) => id) }).catch(isKept);
  }

  /** See {@link Crew.run}. */
  run(job: Job, runTask: (scratch: number, task: readonly number[]) => void): void {
    this.#crew.run(job, runTask);
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#arenas.clear();
    await this.#crew.end();
  }

  async #replaceCrew(): Promise<void> {
    const old = this.#crew;
    this.#keptBytes = 0;
    this.#keptMemories = 0;
    this.#crew = new Crew(this.threads);
    this.start().catch(isKept);
    await old.end();
  }

  #adding(arenas: readonly PooledArena[]): unknown {
    return { add: arenas.map(({ id, memory }) => ({ id, memory, module: this.#module })) };
  }
}

/** The crew keeps a failure and throws it at the next job. */
const isKept = (): void => undefined;
