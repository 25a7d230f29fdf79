import type { ModelProto } from "onnx-buf";
import { type InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { FloatAttention } from "../attention/float-attention.ts";
import type { Decoder } from "../decoder.ts";
import { forward } from "../forward.ts";
import { node } from "../onnx/graph.ts";
import {
  EXPORTED,
  type ExportStyle,
  exportedBytes,
  exportedConfig,
  exportedModel,
} from "../test-support/exported-model.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { loadExported, openExported } from "./exported-model.ts";

const ROWS = 14;
const ids = Array.from({ length: ROWS }, (_, index) => (index * 17 + 3) % EXPORTED.vocabulary);
const { kvHeads, headSize } = EXPORTED;
const config = { text: exportedConfig(), file: "config.json" };

const integerTensor = (values: readonly number[]): Tensor =>
  new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);

const uncutLogits = async (model: ModelProto): Promise<Float32Array> => {
  const session = await oneThreadSession(exportedBytes(model));
  const caches = session.inputNames
    .filter((name) => name.startsWith("past"))
    .map((name) => [name, new Tensor("float32", new Float32Array(), [1, kvHeads, 0, headSize])] as const);
  const output = await session.run({
    input_ids: integerTensor(ids),
    attention_mask: integerTensor(ids.map(() => 1)),
    position_ids: integerTensor([...ids.keys()]),
    ...Object.fromEntries(caches),
  });
  return output["logits"]!.data as Float32Array;
};

/** Logits with the float cache in the holes, in pieces that start at `starts`. */
const cutLogits = async (decoder: Decoder, starts: readonly number[]): Promise<number[]> => {
  const cache = new FloatAttention(decoder.shape, decoder.attention);
  const logits: number[] = [];
  for (const [index, start] of starts.entries()) {
    const piece = ids.slice(start, starts[index + 1] ?? ROWS);
    const positions = piece.map((_, row) => start + row);
    logits.push(...((await decoder.head(await forward(decoder, piece, positions, cache))).data as Float32Array));
  }
  return logits;
};

test.each([
  "packed group query",
  "group query with sinks",
  "multi-head",
  "standard",
  "standard, four dimensions",
] satisfies ExportStyle[])("a model with %s attention gives the same logits cut and uncut", async (style) => {
  const model = exportedModel(style);
  const expected = await uncutLogits(model);
  const largest = Math.max(...expected.map(Math.abs));
  const decoder = await loadExported(openExported(exportedBytes(model), config), {
    createSession: oneThreadSession,
    name: style,
  });
  for (const starts of [[0], [0, 5, 6]]) {
    const actual = await cutLogits(decoder, starts);
    const difference = Math.max(...actual.map((logit, index) => Math.abs(logit - expected[index]!)));
    expect(actual.length).toBe(expected.length);
    expect(difference / largest).toBeLessThan(1e-4);
  }
  await decoder.dispose();
});

const standard = exportedModel("standard");
const withNodes = (
  change: (nodes: ModelProto["graph"] & object) => Partial<ModelProto["graph"] & object>,
): Uint8Array => exportedBytes({ ...standard, graph: { ...standard.graph!, ...change(standard.graph!) } });

test("a load that fails gives back every session", async () => {
  const sessions: { released: number }[] = [];
  const createSession = async (): Promise<InferenceSession> => {
    if (sessions.length === EXPORTED.layers + 2) throw new Error("no more");
    const session = { released: 0, release: async () => void session.released++ };
    sessions.push(session);
    return session as unknown as InferenceSession;
  };
  const model = openExported(exportedBytes(standard), config);
  await expect(loadExported(model, { createSession, name: "a" })).rejects.toThrow("no more");
  expect(sessions.map(({ released }) => released)).toEqual(sessions.map(() => 1));
});

test("a graph of another form is refused with what it has", () => {
  const open = (bytes: Uint8Array): unknown => openExported(bytes, config).cut();
  expect(() => open(Uint8Array.of(1, 2, 3))).toThrow(expect.objectContaining({ code: "EXPORT_DAMAGED" }));
  expect(() =>
    open(withNodes(({ node: nodes }) => ({ node: nodes.filter(({ opType }) => opType !== "Attention") }))),
  ).toThrow(/expected a graph with one of .*GroupQueryAttention.* in each layer, got none of them/);
  // A second tensor that passes the first layer's attention.
  const passing = node("Add", ["stream.1", "normed.0"], ["stream.1b"]);
  const reading = withNodes(({ node: nodes }) => ({
    node: nodes.flatMap((one) =>
      one.output.includes("projected.1")
        ? [passing, { ...one, input: one.input.with(0, "mixed.1") }, node("Add", ["projected.1", "normed.1"], ["x"])]
        : [one.output.includes("between.1") ? { ...one, input: ["x", "stream.1b"] } : one],
    ),
  }));
  expect(() => open(reading)).toThrow(/expected one tensor of residuals .*, got .*normed/);
});

test("a configuration that does not fit is refused with its key", () => {
  const open = (change: object): unknown =>
    openExported(exportedBytes(standard), {
      file: "config.json",
      text: JSON.stringify({ ...JSON.parse(config.text), ...change }),
    });
  expect(() => open({ hidden_size: null })).toThrow(
    /expected hidden_size in config.json to be a positive whole number/,
  );
  expect(() => open({ sliding_window: 5 })).toThrow(
    /expected layers without a span, or with GroupQueryAttention, got a span/,
  );
  expect(() => open({ layer_types: ["sliding_attention"] })).toThrow(/a span in config.json and another operator/);
  expect(open({ sliding_window: EXPORTED.positions })).toBeDefined();
  expect(() => open({ num_hidden_layers: 7 })).toThrow(/expected 7 attention operators as config.json says, got 3/);
});
