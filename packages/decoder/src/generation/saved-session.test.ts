import { uniformPlan, parseShorthand } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { FloatAttention } from "../attention/float-attention.ts";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { loadDecoder } from "../load-decoder.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { CacheSession } from "./cache-session.ts";
import { readSession, resumeSession, saveSession } from "./saved-session.ts";

const gguf = await openGguf(bufferSource(familyGguf(familyModel("lfm2"))));
const sha256 = "cd".repeat(32);
const decoder = await loadDecoder(gguf, { createSession: oneThreadSession, sha256 });
const plan = uniformPlan(decoder.identity, decoder.shape, parseShorthand("none").layer);
const snapshot = { snapshot: async () => Uint8Array.of(1, 2, 3) };
const ids = [1, 2, 3, 4, 5];

const startedSession = async () => {
  const cache = new FloatAttention(decoder.shape, decoder.attention);
  const session = new CacheSession({ decoder, cache });
  await session.prompt(Int32Array.from(ids));
  return { cache, session };
};

test("a session with recurrent layers goes on with their states", async () => {
  const { cache, session } = await startedSession();
  const bytes = await saveSession({ decoder, session, cache: snapshot, plan });
  const expected = await session.append(Int32Array.of(7, 8));
  cache.truncate(ids.length);
  const saved = await readSession(bytes, decoder.identity);
  expect([...saved.snapshot]).toEqual([1, 2, 3]);
  const resumed = resumeSession(saved, { decoder, cache });
  expect(resumed.ids).toEqual(ids);
  expect(await resumed.append(Int32Array.of(7, 8))).toEqual(expected);
});

test("a session of other weights, RoPE frequencies or recurrent layers is refused, as is a model without a SHA-256", async () => {
  const { cache, session } = await startedSession();
  const bytes = await saveSession({ decoder, session, cache: snapshot, plan });
  const other = { ...decoder.identity, sha256: "ef".repeat(32) };
  await expect(readSession(bytes, other)).rejects.toMatchObject({ code: "SESSION_FOREIGN" });
  const saved = await readSession(bytes, decoder.identity);
  const slower = saved.ropes.map((rope) => rope && rope.map((frequency) => frequency / 2));
  expect(() => resumeSession({ ...saved, ropes: slower }, { decoder, cache })).toThrow(/other frequencies in layer/);
  expect(() => resumeSession({ ...saved, ropes: [] }, { decoder, cache })).toThrow(/other frequencies in layer/);
  const [name, data] = Object.entries(saved.state)[0]!;
  for (const state of [{ [name]: data.subarray(1) }, { "0.unknown": data }])
    expect(() => resumeSession({ ...saved, state }, { decoder, cache })).toThrow(/recurrent/);
  const unknown = await loadDecoder(gguf, { createSession: oneThreadSession });
  await expect(saveSession({ decoder: unknown, session, cache: snapshot, plan })).rejects.toMatchObject({
    code: "SESSION_MODEL_UNKNOWN",
  });
});
