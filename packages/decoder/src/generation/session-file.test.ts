import { createHash } from "node:crypto";
import { fc, test } from "@fast-check/vitest";
import { layerScheme, type Plan } from "@kvtuner/plan";
import { expect, it } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { parseSession, readSessionHead, type SavedSession, serializeSession } from "./session-file.ts";

const shape = { layers: 1, queryHeads: 2, kvHeads: 1, headSize: 32 };
const model = { name: "tiny", architecture: "llama", sha256: "ab".repeat(32) };
const layers = [layerScheme("per-token", { key: 4, value: 4 })];

const plan: fc.Arbitrary<Plan> = fc.constant({ version: 2, model, shape, layers });
const assets: fc.Arbitrary<NonNullable<Plan["assets"]>> = fc.constantFrom(
  [{ name: "table", dtype: "float32", shape: [3], data: Float32Array.of(1, 2, 3) }],
  [{ name: "code", dtype: "uint8", shape: [1], data: Uint8Array.of(7) }],
);
const text = fc.string({ unit: "grapheme" });
const messages = fc.array(
  fc.record({ role: fc.constantFrom("system", "user", "assistant"), content: text }, { noNullPrototype: true }),
);

const session: fc.Arbitrary<SavedSession> = fc
  .record({
    plan,
    assets: fc.option(assets, { nil: undefined }),
    ids: fc.array(fc.nat()),
    state: fc.dictionary(fc.constantFrom("0.conv", "2.state"), fc.float32Array({ noNaN: true }), {
      noNullPrototype: true,
    }),
    snapshot: fc.uint8Array(),
    messages: fc.option(messages, { nil: undefined }),
  })
  .map(({ plan: made, assets: tables, messages: said, ...rest }) => ({
    model,
    plan: { ...made, ...(tables && { assets: tables }) },
    ropes: [[1, 0.5], null],
    ...rest,
    ...(said && { messages: said }),
  }));

test.prop([session, fc.nat(9)], { numRuns: 60 })(
  "a saved session reads back, from the middle of a larger buffer too",
  async (saved, before) => {
    const bytes = await serializeSession(saved);
    const held = Buffer.concat([Buffer.alloc(before, 1), bytes, Buffer.alloc(3, 1)]);
    expect(await parseSession(held.subarray(before, before + bytes.length))).toEqual(saved);
    expect(await readSessionHead(bufferSource(bytes))).toEqual({ model: saved.model, ids: saved.ids });
  },
);

const examples = fc.sample(session, { seed: 1, numRuns: 20 });
const example = examples.find((saved) => saved.plan.assets && saved.messages && saved.ids.length > 2)!;

it("any changed byte and any cut is detected", async () => {
  const bytes = await serializeSession(example);
  for (const place of bytes.keys()) {
    const damaged = bytes.slice();
    damaged[place]! ^= 1 << (place % 8);
    const code = place >= 8 && place < 12 ? "SESSION_VERSION" : "SESSION_DAMAGED";
    await expect(parseSession(damaged)).rejects.toMatchObject({ code });
    await expect(parseSession(bytes.subarray(0, place))).rejects.toMatchObject({ code: "SESSION_DAMAGED" });
  }
});

/** A hostile file: one text in place of another in its header, with a checksum that fits. */
const forged = async (from: string, to: string): Promise<Uint8Array> => {
  const bytes = Buffer.from(await serializeSession(example));
  const headerBytes = bytes.readUInt32LE(12);
  const before = bytes.subarray(16, 16 + headerBytes).toString();
  expect(before).toContain(from);
  const header = Buffer.from(before.replace(from, to));
  const preamble = Buffer.from(bytes.subarray(0, 16));
  preamble.writeUInt32LE(header.length, 12);
  const body = Buffer.concat([preamble, header, bytes.subarray(16 + headerBytes, -32)]);
  return Buffer.concat([body, createHash("sha256").update(body).digest()]);
};

it("a forged header neither allocates nor passes", async () => {
  const tokens = `"tokens":${example.ids.length}`;
  for (const [from, to] of [
    [tokens, '"tokens":1e15'],
    [tokens, '"tokens":-1'],
    [tokens, '"tokens":"many"'],
    [`"snapshotBytes":${example.snapshot.length}`, '"snapshotBytes":4e9'],
    ['"ropes":', '"ropes":1,"x":'],
    ['"role":"', '"role":"root'],
    ['"sha256":"abab', '"sha256":5,"b":"abab'],
    ['"kind":"affine"', '"kind":"wavelet"'],
  ] as const)
    await expect(parseSession(await forged(from, to))).rejects.toMatchObject({ code: "SESSION_DAMAGED" });
  for (const count of ["1e15", "-1", '"many"'])
    await expect(readSessionHead(bufferSource(await forged(tokens, `"tokens":${count}`)))).rejects.toMatchObject({
      code: "SESSION_DAMAGED",
    });
});
