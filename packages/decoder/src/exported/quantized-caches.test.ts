import { fromBinary } from "@bufbuild/protobuf";
import type { Attention } from "@kvtuner/backend";
import { blockFormatScheme } from "@kvtuner/plan";
import { fakeQuantize } from "@kvtuner/quantizers";
import { type ModelProto, ModelProtoSchema } from "onnx-buf";
import { type InferenceSession, Tensor } from "onnxruntime-node";
import * as web from "onnxruntime-web";
import { expect, test } from "vitest";
import { FloatAttention } from "../attention/float-attention.ts";
import { forward } from "../forward.ts";
import { node } from "../onnx/graph.ts";
import { EXPORTED, exportedBytes, exportedConfig, exportedModel } from "../test-support/exported-model.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { loadExported, openExported } from "./exported-model.ts";
import type { QuantizedCache } from "./quantized-caches.ts";

const { kvHeads, headSize, vocabulary } = EXPORTED;
const CHANNELS = kvHeads * headSize;
const ids = Array.from({ length: 12 }, (_, index) => (index * 17 + 3) % vocabulary);
const config = { text: exportedConfig(), file: "config.json" };
const open = (model: ModelProto) => openExported(exportedBytes(model), config);

/** A cache of each kind, and a layer that stays in floats. */
const scales = (largest: number, bits: 4 | 8, count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, channel) => (largest * (1 + (channel % 5) / 5)) / (2 ** (bits - 1) - 1));
const CACHES: readonly (QuantizedCache | undefined)[] = [
  { bits: 8, keyScales: scales(1, 8, CHANNELS), valueScales: scales(2, 8, 1) },
  undefined,
  { bits: 4, keyScales: scales(1.5, 4, 1), valueScales: scales(1, 4, 1) },
];

type OpenSession = (model: Uint8Array) => Promise<InferenceSession>;

const webSession: OpenSession = async (model) => {
  web.env.wasm.numThreads = 1;
  return web.InferenceSession.create(model, { executionProviders: ["wasm"] });
};

/** Logits of every token, decoded one by one with the session's own caches. */
const decoded = async (bytes: Uint8Array, openSession: OpenSession = oneThreadSession): Promise<number[]> => {
  const session = await openSession(bytes);
  let caches = emptyCaches(session);
  const logits: number[] = [];
  for (const [position, id] of ids.entries()) {
    const output = await session.run({
      input_ids: integers([id]),
      attention_mask: integers(Array.from({ length: position + 1 }, () => 1)),
      position_ids: integers([position]),
      ...caches,
    });
    logits.push(...(output["logits"]!.data as Float32Array));
    caches = Object.fromEntries(
      Object.keys(caches).map((past) => [past, output[past.replace("past_key_values", "present")]!]),
    );
  }
  await session.release();
  return logits;
};

/** Without tokens, in the types and sizes that the inputs state, as transformers.js makes them. */
const emptyCaches = ({ inputMetadata }: InferenceSession): Record<string, Tensor> =>
  Object.fromEntries(
    inputMetadata.flatMap((input) => {
      if (!input.isTensor || !input.name.startsWith("past")) return [];
      const data = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array }[input.type as "int8"];
      const dims = input.shape.with(0, 1).with(2, 0) as number[];
      return [[input.name, new Tensor(input.type, new data(), dims)]];
    }),
  );

const integers = (values: readonly number[]): Tensor =>
  new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);

/** Logits as evaluations predict them: a float cache of numbers that were coded and decoded. */
const predicted = async (model: ModelProto, caches: readonly (QuantizedCache | undefined)[]): Promise<number[]> => {
  const decoder = await loadExported(open(model), { createSession: oneThreadSession, name: "test" });
  const float = new FloatAttention(decoder.shape, decoder.attention);
  const attention: Attention = {
    attend: async (layer, query, key, value) => {
      const cache = caches[layer];
      if (cache === undefined) return float.attend(layer, query, key, value);
      const rows = [rounded(key, cache.bits, cache.keyScales), rounded(value, cache.bits, cache.valueScales)] as const;
      return float.attend(layer, query, ...rows);
    },
    read: async (sharing, query) => float.read(sharing, query),
  };
  const hidden = await forward(decoder, ids, [...ids.keys()], attention);
  const logits = [...((await decoder.head(hidden)).data as Float32Array)];
  await decoder.dispose();
  return logits;
};

const rounded = (rows: Tensor, bits: 4 | 8, given: Float32Array): Tensor => {
  const data = Float32Array.from(rows.data as Float32Array);
  const scheme = blockFormatScheme(`ort-int${bits}`, { scales: [...given] });
  fakeQuantize(data, data, { tokens: ids.length, heads: kvHeads, headSize }, scheme);
  return new Tensor("float32", data, rows.dims);
};

const difference = (actual: readonly number[], expected: readonly number[]): number => {
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...actual.map((logit, index) => Math.abs(logit - expected[index]!))) / largest;
};

test.each(["packed group query", "group query with sinks"] as const)(
  "%s: ONNX Runtime decodes with the quantized caches what evaluations predict",
  async (style) => {
    const model = exportedModel(style);
    const [actual, expected, float] = [
      await decoded(open(model).withQuantizedCaches(CACHES)),
      await predicted(model, CACHES),
      await decoded(exportedBytes(model)),
    ];
    expect(difference(await predicted(model, []), float)).toBeLessThan(1e-4);
    expect(difference(await decoded(open(model).withQuantizedCaches(CACHES), webSession), expected)).toBeLessThan(1e-4);
    const loss = difference(expected, float);
    expect(loss).toBeGreaterThan(0.003);
    expect(loss).toBeLessThan(0.2);
    expect(difference(actual, expected)).toBeLessThan(1e-4);
    // A wrong scale does not pass.
    const wrong = CACHES.with(0, { ...CACHES[0]!, keyScales: CACHES[0]!.keyScales.map((scale) => 1.5 * scale) });
    expect(difference(await decoded(open(model).withQuantizedCaches(wrong)), expected)).toBeGreaterThan(1e-3);
  },
);

test("caches state their type and size, and the rest of the model stays", () => {
  const before = exportedModel("packed group query");
  const after = fromBinary(ModelProtoSchema, open(before).withQuantizedCaches(CACHES)).graph!;
  const ports = (graph: typeof after) =>
    [...graph.input, ...graph.output].map(({ name, type }) => {
      if (type?.value.case !== "tensorType") return [name];
      return [name, type.value.value.elemType, type.value.value.shape!.dim.at(-1)!.value.value];
    });
  const codes = (name: string) =>
    name.includes(".0.")
      ? [name, 3, BigInt(headSize)]
      : name.includes(".2.")
        ? [name, 2, BigInt(headSize / 2)]
        : undefined;
  expect(ports(after)).toEqual(ports(before.graph!).map((port) => codes(port[0] as string) ?? port));
  const names = (graph: typeof after) => graph.initializer.map(({ name }) => name);
  expect(names(after).slice(0, -4)).toEqual(names(before.graph!));
  expect(after.node.map(({ output }) => output)).toEqual(before.graph!.node.map(({ output }) => output));
});

test("a cache that cannot be coded is refused with what it has", () => {
  const quantize = (model: ModelProto): unknown => open(model).withQuantizedCaches(CACHES);
  expect(() => quantize(exportedModel("standard"))).toThrow(
    /expected GroupQueryAttention in each layer .*, got Attention/,
  );
  const packed = exportedModel("packed group query");
  const coded = fromBinary(ModelProtoSchema, open(packed).withQuantizedCaches(CACHES));
  expect(() => quantize(coded)).toThrow(/expected past_key_values.0.key to be in floating point, got INT8/);
  const reading = (operator: string): ModelProto => ({
    ...packed,
    graph: { ...packed.graph!, node: [...packed.graph!.node, node(operator, ["present.2.value"], ["other"])] },
  });
  expect(() => quantize(reading("Cast"))).toThrow(/to be read by their layer alone, got Cast that reads them/);
  expect(quantize(reading("Shape"))).toBeDefined();
});
