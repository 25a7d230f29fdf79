import { KvtunerError, type ModelIdentity, type Plan } from "@kvtuner/plan";
import { parsePlan, serializeAssets, serializePlan } from "@kvtuner/plan/files";
import type { ByteSource } from "../gguf/byte-source.ts";
import type { StateImage } from "../recurrent-state.ts";
import type { ChatMessage } from "../tokenizer/chat-template.ts";

/** A sequence in a cache, as a file keeps it. */
export interface SavedSession {
  /** The model that computed the cache; its SHA-256 is always known. */
  readonly model: ModelIdentity & { readonly sha256: string };
  /** How the cache is stored, with its tables. */
  readonly plan: Plan;
  /** Ids of the cached tokens. */
  readonly ids: readonly number[];
  /** Frequencies of RoPE in each layer with a cache; null where there are none, or where the graphs hold them. */
  readonly ropes: readonly (readonly number[] | null)[];
  /** What recurrent layers keep; empty for a model without them. */
  readonly state: StateImage;
  /** `KvCache.snapshot` after these tokens. */
  readonly snapshot: Uint8Array;
  /** The conversation that the tokens come from. */
  readonly messages?: readonly ChatMessage[];
}

/** First bytes of a file: "KVTSAVED". */
const MAGIC = Uint8Array.from("KVTSAVED", (letter) => letter.charCodeAt(0));
/** The version written, and the only one read. */
const VERSION = 1;
/** Magic, version and header length, both 32 bits, little-endian. */
const PREAMBLE_BYTES = 16;
/** SHA-256 of everything before it. */
const CHECKSUM_BYTES = 32;

/** The header's JSON. Sections follow in this order: ids (int32), assets (safetensors), states (float32), snapshot. */
interface Header extends Pick<SavedSession, "model" | "ropes" | "messages"> {
  /** As in a plan file. */
  readonly plan: unknown;
  readonly tokens: number;
  /** 0 for a plan without assets. */
  readonly assetsBytes: number;
  /** Number of float32 of each array of the recurrent layers. */
  readonly states: Readonly<Record<string, number>>;
  readonly snapshotBytes: number;
}

/**
 * Writes a session as bytes: magic, version, a JSON header with model and plan, the sections, and the SHA-256 of everything.
 * Numbers are little-endian, as on all machines that run JavaScript today.
 */
export const serializeSession = async (saved: SavedSession): Promise<Uint8Array<ArrayBuffer>> => {
  const { assets = [] } = saved.plan;
  const assetBytes = assets.length > 0 ? serializeAssets(assets) : new Uint8Array();
  const reference = { file: "assets.safetensors", sha256: await hexChecksum(assetBytes) };
  const header: Header = {
    model: saved.model,
    plan: JSON.parse(serializePlan(saved.plan, reference)),
    tokens: saved.ids.length,
    assetsBytes: assetBytes.length,
    states: Object.fromEntries(Object.entries(saved.state).map(([name, data]) => [name, data.length])),
    snapshotBytes: saved.snapshot.length,
    ropes: saved.ropes,
    ...(saved.messages && { messages: saved.messages }),
  };
  const states = Object.values(saved.state).map(bytesOf);
  return framed(header, [bytesOf(Int32Array.from(saved.ids)), assetBytes, ...states, saved.snapshot]);
};

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

const framed = async (header: Header, sections: readonly Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> => {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = sections.reduce((sum, section) => sum + section.length, PREAMBLE_BYTES + text.length + CHECKSUM_BYTES);
  const bytes = new Uint8Array(length);
  bytes.set(MAGIC);
  const view = new DataView(bytes.buffer);
  view.setUint32(MAGIC.length, VERSION, true);
  view.setUint32(MAGIC.length + 4, text.length, true);
  let offset = PREAMBLE_BYTES;
  for (const section of [text, ...sections]) {
    bytes.set(section, offset);
    offset += section.length;
  }
  bytes.set(await checksum(bytes.subarray(0, -CHECKSUM_BYTES)), offset);
  return bytes;
};

const checksum = async (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
  new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes));

const hexChecksum = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  Array.from(await checksum(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * Reads a session from {@link serializeSession}. Compares every length with the available bytes before it allocates anything.
 *
 * @throws SavedSessionError `SESSION_DAMAGED`, `SESSION_VERSION`
 */
export const parseSession = async (given: Uint8Array): Promise<SavedSession> => {
  // Not slice(): of a Node Buffer that is a view into a larger buffer.
  const bytes = new Uint8Array(given);
  await assertWhole(bytes);
  try {
    return await readSections(bytes);
  } catch (cause) {
    if (cause instanceof SavedSessionError) throw cause;
    throw damaged(`its parts cannot be read: ${(cause as Error).message}`, { cause });
  }
};

/**
 * Model and token ids of a saved session, from the first bytes of its file. Only reading all of it tells whether the rest is whole.
 *
 * @throws SavedSessionError `SESSION_DAMAGED`, `SESSION_VERSION`
 */
export const readSessionHead = async (source: ByteSource): Promise<Pick<SavedSession, "model" | "ids">> => {
  const read = async (offset: number, sizeBytes: number): Promise<Uint8Array<ArrayBuffer>> => {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || offset + sizeBytes > source.sizeBytes)
      throw damaged(`${sizeBytes} bytes are missing at ${offset}`);
    return new Uint8Array(await source.read(offset, sizeBytes));
  };
  const preamble = await read(0, PREAMBLE_BYTES);
  assertPreamble(preamble);
  const headerBytes = headerBytesOf(preamble);
  const { model, tokens } = parseHeader(await read(PREAMBLE_BYTES, headerBytes));
  const ids = await read(PREAMBLE_BYTES + headerBytes, 4 * tokens);
  return { model, ids: [...new Int32Array(ids.buffer)] };
};

const headerBytesOf = (bytes: Uint8Array<ArrayBuffer>): number =>
  new DataView(bytes.buffer).getUint32(MAGIC.length + 4, true);

const parseHeader = (bytes: Uint8Array): Header => {
  try {
    const header = JSON.parse(new TextDecoder().decode(bytes)) as Header;
    assertHeader(header);
    return header;
  } catch (cause) {
    throw damaged(`its header cannot be read: ${(cause as Error).message}`, { cause });
  }
};

const assertPreamble = (bytes: Uint8Array<ArrayBuffer>): void => {
  if (bytes.length < PREAMBLE_BYTES || MAGIC.some((byte, index) => bytes[index] !== byte))
    throw damaged("it does not start with KVTSAVED");
  const version = new DataView(bytes.buffer).getUint32(MAGIC.length, true);
  if (version !== VERSION)
    throw new SavedSessionError(
      "SESSION_VERSION",
      `expected a saved session of version ${VERSION}, got ${version}, which another version of KVTuner wrote; start a new session`,
    );
};

const assertWhole = async (bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
  assertPreamble(bytes);
  const expected = bytes.subarray(-CHECKSUM_BYTES);
  const got = await checksum(bytes.subarray(0, -CHECKSUM_BYTES));
  if (got.some((byte, index) => byte !== expected[index])) throw damaged("its SHA-256 does not match");
};

const readSections = async (bytes: Uint8Array<ArrayBuffer>): Promise<SavedSession> => {
  const take = sectionsOf(bytes.buffer, PREAMBLE_BYTES, bytes.length - CHECKSUM_BYTES);
  const header = parseHeader(new Uint8Array(take(headerBytesOf(bytes))));
  const { model, tokens, assetsBytes, states, snapshotBytes, ropes, messages } = header;
  const ids = [...new Int32Array(take(4 * tokens))];
  const assets = new Uint8Array(take(assetsBytes));
  const sha256 = await hexChecksum(assets);
  const plan = parsePlan(header.plan, () => ({ bytes: assets, sha256 }));
  const state = Object.fromEntries(
    Object.entries(states).map(([name, count]) => [name, new Float32Array(take(4 * count))]),
  );
  const snapshot = new Uint8Array(take(snapshotBytes));
  return { model, plan, ids, ropes, state, snapshot, ...(messages && { messages }) };
};

/** A checksum does not prove honesty: the author of the bytes also wrote it. Other members are checked where they are used. */
const assertHeader = ({ model, ropes, messages = [] }: Header): void => {
  if (typeof model.sha256 !== "string") throw new TypeError("no model");
  if (!Array.isArray(ropes)) throw new TypeError("no RoPE frequencies");
  for (const { role, content } of messages)
    if (!["system", "user", "assistant"].includes(role) || typeof content !== "string")
      throw new TypeError("a message without a role or a text");
};

/** Takes copies of consecutive sections. */
const sectionsOf =
  (buffer: ArrayBuffer, start: number, end: number) =>
  (sizeBytes: number): ArrayBuffer => {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || start + sizeBytes > end)
      throw new RangeError(`a section of ${sizeBytes} bytes where ${end - start} are left`);
    return buffer.slice(start, (start += sizeBytes));
  };

const damaged = (what: string, options?: { readonly cause: unknown }): SavedSessionError =>
  new SavedSessionError(
    "SESSION_DAMAGED",
    `failed to read the saved session: ${what}; it is truncated, damaged or another kind of file; start a new session`,
    options,
  );

/** A saved session that cannot be read, or is not of this model; `code` says which. */
export class SavedSessionError extends KvtunerError {
  override readonly name = "SavedSessionError";
}
