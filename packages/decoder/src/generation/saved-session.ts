import type { Backend, KvCache } from "@kvtuner/backend";
import { KvtunerError, type CacheShape, type ModelIdentity, type Plan } from "@kvtuner/plan";
import type { Decoder } from "../decoder.ts";
import { layerRopes } from "../layer-ropes.ts";
import type { ChatMessage } from "../tokenizer/chat-template.ts";
import { CacheSession, type SequenceCache } from "./cache-session.ts";
import { parseSession, type SavedSession, SavedSessionError, serializeSession } from "./session-file.ts";

/** What {@link saveSession} saves. */
export interface SessionParts {
  /** The model, loaded with its SHA-256. */
  readonly decoder: Pick<Decoder, "identity" | "shape" | "segments" | "positions">;
  readonly session: CacheSession;
  /** The session's cache. */
  readonly cache: Pick<KvCache, "snapshot">;
  /** The cache's plan. */
  readonly plan: Plan;
  /** The conversation that the tokens come from. */
  readonly messages?: readonly ChatMessage[];
}

/**
 * Bytes from which {@link readSession} goes on: model, plan, ids of the tokens, and the cache. Takes memory for two copies of
 * the cache until it returns.
 *
 * @throws SavedSessionError `SESSION_MODEL_UNKNOWN` when the decoder was loaded without a SHA-256
 */
export const saveSession = async (parts: SessionParts): Promise<Uint8Array<ArrayBuffer>> => {
  const { decoder, session, cache, plan, messages } = parts;
  const { sha256 } = decoder.identity;
  if (sha256 === undefined)
    throw new SavedSessionError(
      "SESSION_MODEL_UNKNOWN",
      "expected a model with a SHA-256, got one without, so a saved session could not tell it from another; load it with sha256",
    );
  return serializeSession({
    model: { ...decoder.identity, sha256 },
    plan,
    ids: session.ids,
    ropes: ropesOf(decoder),
    state: await session.state.image(),
    snapshot: await cache.snapshot(),
    ...(messages && { messages }),
  });
};

/**
 * Reads a session from {@link saveSession}.
 *
 * @param model the model that is to go on
 * @throws SavedSessionError `SESSION_DAMAGED`, `SESSION_VERSION`, and `SESSION_FOREIGN` for another model, even of the same shape
 */
export const readSession = async (bytes: Uint8Array, model: ModelIdentity): Promise<SavedSession> => {
  const saved = await parseSession(bytes);
  const { name, sha256 } = saved.model;
  if (sha256 === model.sha256) return saved;
  throw new SavedSessionError(
    "SESSION_FOREIGN",
    `expected a session of ${model.name} (SHA-256 ${model.sha256?.slice(0, 12) ?? "unknown"}), got one of ${name} (${sha256.slice(0, 12)}), whose keys and values mean something else; open it with that model`,
  );
};

/**
 * The cache of a saved session under a plan, at most as fine as that which it was saved under. Under another plan, every token is
 * decoded and encoded again.
 *
 * @throws SavedSessionError `SESSION_PLAN` for a plan that takes more bytes, and for another plan after a layer with a span has dropped
 *   tokens; further errors as `Backend.restoreCache`
 */
export const restoreCache = async (
  backend: Pick<Backend, "restoreCache">,
  shape: CacheShape,
  { plan: savedPlan, snapshot }: Pick<SavedSession, "plan" | "snapshot">,
  plan: Plan = savedPlan,
): Promise<KvCache> => {
  try {
    return await backend.restoreCache(shape, plan, snapshot);
  } catch (error) {
    if (!KvtunerError.isInstance(error) || error.code !== "SNAPSHOT_FOREIGN") throw error;
  }
  const cache = await backend.restoreCache(shape, savedPlan, snapshot);
  try {
    await cache.retune(plan);
    return cache;
  } catch (cause) {
    await cache.dispose();
    throw KvtunerError.isInstance(cause) && cause.code.startsWith("BACKEND_RETUNE") ? notFiner(cause) : cause;
  }
};

const notFiner = (cause: KvtunerError): SavedSessionError =>
  new SavedSessionError(
    "SESSION_PLAN",
    `failed to store the session under this plan: ${cause.message}; use the plan of then, or start a new session`,
    { cause },
  );

/**
 * A session on a restored cache.
 *
 * @throws SavedSessionError `SESSION_ROPE` when RoPE turns keys at other frequencies now, `SESSION_DAMAGED` for a state of other layers
 */
export const resumeSession = (
  saved: Pick<SavedSession, "ids" | "ropes" | "state">,
  options: { readonly decoder: Decoder; readonly cache: SequenceCache; readonly chunkTokens?: number },
): CacheSession => {
  assertSameRopes(saved.ropes, ropesOf(options.decoder));
  const state = options.decoder.createState();
  try {
    state.restore(saved.state, saved.ids.length);
  } catch (cause) {
    throw new SavedSessionError(
      "SESSION_DAMAGED",
      `failed to restore the session's recurrent layers: ${(cause as Error).message}; start a new session`,
      { cause },
    );
  }
  return new CacheSession({ ...options, ids: saved.ids, state });
};

const ropesOf = (decoder: Parameters<typeof layerRopes>[0]): SavedSession["ropes"] =>
  layerRopes(decoder).map((rope) =>
    rope ? Array.from(rope.frequencies, (frequency) => Number(frequency.toPrecision(6))) : null,
  );

/** Frequencies are rounded, and engines round sines and cosines differently. */
const ROPE_TOLERANCE = 1e-4;

const assertSameRopes = (saved: SavedSession["ropes"], now: SavedSession["ropes"]): void => {
  const isSame = (one: readonly number[] | null | undefined, other: readonly number[] | null): boolean =>
    one?.length === other?.length &&
    (one ?? []).every((frequency, pair) => Math.abs(frequency - other![pair]!) <= ROPE_TOLERANCE * frequency);
  const differs = now.findIndex((rope, layer) => !isSame(saved[layer], rope));
  if (differs < 0) return;
  throw new SavedSessionError(
    "SESSION_ROPE",
    `expected a session whose keys have RoPE as the model does now, got other frequencies in layer ${differs}; open the model with the context of then, by which its RoPE factors are chosen`,
  );
};
