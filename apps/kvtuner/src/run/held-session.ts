import { rm } from "node:fs/promises";
import type { Backend, KvCache } from "@kvtuner/backend";
import { CacheSession, type ChatMessage } from "@kvtuner/decoder";
import { restoreCache, resumeSession, type SavedSession, saveSession } from "@kvtuner/decoder/sessions";
import { KvtunerError, type Plan } from "@kvtuner/plan";
import type { Callbacks } from "@kvtuner/tuning";
import type { RunnableModel } from "../model/runnable-model.ts";
import { addToFolder, markUsed, sharedPrefixes } from "./session-folder.ts";
import { readSessionFile, writeSessionFile } from "./session-on-disk.ts";

/** Where sessions are saved: one in a file of its own, or several in a folder. Nowhere without either. */
export interface SessionPlaces {
  readonly session: string | undefined;
  readonly sessions: string | undefined;
  /** Bytes that the files in the folder may take. */
  readonly sessionsBudget: number;
}

/** What the session of a runner is opened with. */
export interface HeldParts {
  readonly model: RunnableModel;
  readonly plan: Plan;
  readonly backend: Backend;
  readonly callbacks: Callbacks;
  readonly places: SessionPlaces;
}

/** A prefix is read from disk only if it saves more tokens than this. */
const LEAST_GAIN_TOKENS = 32;

/** The cache of a runner and the ids of its tokens, which may come from a file and be saved to one. */
export class HeldSession {
  readonly #parts: HeldParts;
  #cache: KvCache;
  /** What the cache was restored from; undefined once the session is open. */
  #saved: SavedSession | undefined;
  #session: CacheSession | undefined;
  /** The file of the folder that holds the first tokens of the session, or all. */
  #file: { readonly path: string; readonly ids: readonly number[] } | undefined;

  private constructor(parts: HeldParts, cache: KvCache, saved: SavedSession | undefined) {
    this.#parts = parts;
    this.#cache = cache;
    this.#saved = saved;
  }

  /** Restores the session of the file, if there is one. Loads no weights. */
  static async open(parts: HeldParts, saved: SavedSession | undefined): Promise<HeldSession> {
    const { backend, model, plan } = parts;
    const cache = saved
      ? await restoreCache(backend, model.shape, saved, plan)
      : await backend.createCache(model.shape, plan);
    return new HeldSession(parts, cache, saved);
  }

  get cache(): KvCache {
    return this.#cache;
  }

  /** Loads the model's weights. */
  async load(): Promise<CacheSession> {
    const decoder = await this.#parts.model.load();
    const { pieceTokens } = this.#parts.model.choice;
    const options = { decoder, cache: this.#cache, ...(pieceTokens !== undefined && { chunkTokens: pieceTokens }) };
    this.#session ??= this.#saved ? resumeSession(this.#saved, options) : new CacheSession(options);
    this.#saved = undefined;
    return this.#session;
  }

  /** The session to continue with `prompt`: this one, or one of the folder that begins like the prompt for longer. */
  async sessionFor(prompt: Int32Array): Promise<CacheSession> {
    const { ids } = await this.load();
    const { model, places } = this.#parts;
    if (places.sessions === undefined) return this.load();
    const differs = prompt.findIndex((id, index) => id !== ids[index]);
    const held = differs < 0 ? prompt.length : differs;
    for (const { path } of await sharedPrefixes(places.sessions, model.identity, prompt, held + LEAST_GAIN_TOKENS))
      if (await this.#switchTo(path)) break;
    return this.load();
  }

  /** Whether it could be restored. A session that cannot be costs time, not the text. */
  async #switchTo(path: string): Promise<boolean> {
    const { backend, model, plan } = this.#parts;
    try {
      const saved = await readSessionFile(path, model.identity);
      if (!saved) return false;
      const cache = await restoreCache(backend, model.shape, saved, plan);
      await this.#cache.dispose();
      [this.#cache, this.#saved, this.#session] = [cache, saved, undefined];
      this.#file = { path, ids: saved.ids };
    } catch (error) {
      if (KvtunerError.isInstance(error)) return false;
      throw error;
    }
    await markUsed(path);
    return true;
  }

  /** Saves the session, with its conversation, where the runner's options say. A failure costs the file, not the text that was generated. */
  async keep(messages: readonly ChatMessage[] | undefined): Promise<void> {
    const { plan, callbacks, places, model } = this.#parts;
    const { session, sessions } = places;
    if (!this.#session || (session === undefined && sessions === undefined)) return;
    try {
      const decoder = await model.load();
      const saved = { decoder, session: this.#session, cache: this.#cache, plan, ...(messages && { messages }) };
      const bytes = await saveSession(saved);
      if (session !== undefined) await writeSessionFile(session, bytes);
      if (sessions !== undefined) await this.#addToFolder(sessions, bytes);
    } catch (error) {
      if (!KvtunerError.isInstance(error)) throw error;
      callbacks.warn(`the session was not saved: ${error.message}`);
    }
  }

  /** A file whose tokens the new one begins with is of no more use. */
  async #addToFolder(folder: string, bytes: Uint8Array): Promise<void> {
    const ids = [...this.#session!.ids];
    const path = await addToFolder(folder, this.#parts.places.sessionsBudget, { ids, bytes });
    const before = this.#file;
    if (before && before.path !== path && before.ids.every((id, index) => id === ids[index]))
      await rm(before.path, { force: true });
    this.#file = { path, ids };
  }

  async dispose(): Promise<void> {
    await this.#cache.dispose();
  }
}
