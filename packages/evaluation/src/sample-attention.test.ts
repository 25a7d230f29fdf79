import { fc, test } from "@fast-check/vitest";
import { createAttentionKernel, FloatAttention } from "@kvtuner/decoder";
import {
  attentionOf,
  type AttentionSpec,
  blockFormatScheme,
  blockTokens,
  type CacheShape,
  type LayerScheme,
  layerShape,
  type LayerShape,
  parseShorthand,
  quantizedPrefix,
  tensorShape,
  type TensorScheme,
} from "@kvtuner/plan";
import { decodeBlock, encodeBlock, roundToFloat16 } from "@kvtuner/quantizers";
import { Tensor } from "onnxruntime-common";
import { InferenceSession } from "onnxruntime-node";
import { expect } from "vitest";
import { createSampleAttention, type SampleTensors } from "./sample-attention.ts";
import { anyLayer } from "./test-support/any-layer.ts";

const layer = anyLayer(32);
const shapes: CacheShape[] = [
  { layers: 1, queryHeads: 4, kvHeads: 2, headSize: 32 },
  { layers: 1, queryHeads: 3, kvHeads: 1, headSize: 64 },
  ...[1, 20, 70].map((span): CacheShape => ({
    layers: 1,
    queryHeads: 4,
    kvHeads: 2,
    headSize: 32,
    attention: {
      scale: 0.05,
      mask: { kind: "sliding", span },
      softcap: 1.5,
      sinkLogits: [-1, 0, 1, 3],
      keyStage: "after-rope",
    },
  })),
  {
    layers: 2,
    queryHeads: 4,
    kvHeads: 2,
    headSize: 32,
    perLayer: [{ headSize: 64 }, { queryHeads: 3, kvHeads: 3 }],
  },
  { layers: 2, queryHeads: 4, kvHeads: 2, headSize: 64, perLayer: [{ valueSize: 32 }, { valueSize: 80 }] },
];
const layersOfShapes = shapes.flatMap((shape) =>
  Array.from({ length: shape.layers }, (_, index) => [shape, index] as const),
);

/** A cache fed token by token, in double precision: every token encoded alone with its block, once. */
const reference = (
  shape: LayerShape,
  attention: AttentionSpec,
  plan: LayerScheme,
  { query, key, value }: SampleTensors,
): Float64Array => {
  const { queryHeads, kvHeads, headSize, valueSize = headSize } = shape;
  const { scale, mask, softcap, sinkLogits } = attention;
  const tokens = key.length / (kvHeads * headSize);
  const output = new Float64Array(tokens * queryHeads * valueSize);
  for (let head = 0; head < queryHeads; head++) {
    const kvHead = Math.floor(head / (queryHeads / kvHeads));
    const keys = storedForms(
      headRows(key, kvHead, tensorShape(shape, "key")),
      plan.key,
      plan.residency.sinks,
      headSize,
    );
    const values = storedForms(
      headRows(value, kvHead, tensorShape(shape, "value")),
      plan.value,
      plan.residency.sinks,
      valueSize,
    );
    for (let position = 0; position < tokens; position++) {
      const place = position * queryHeads + head;
      const at = place * headSize;
      const first = mask.kind === "sliding" ? Math.max(0, position + 1 - mask.span) : 0;
      const scores = Float64Array.from({ length: position + 1 }, (_, token) => {
        if (token < first) return -Infinity;
        const row = keys(token, isQuantized(plan.key, plan, position, token));
        const score = scale * row.reduce((sum, x, channel) => sum + x * query[at + channel]!, 0);
        return softcap === undefined ? score : softcap * Math.tanh(score / softcap);
      });
      const sink = sinkLogits?.[head] ?? -Infinity;
      const largest = Math.max(...scores, sink);
      const weights = scores.map((score) => Math.exp(score - largest));
      const total = weights.reduce((sum, weight) => sum + weight, Math.exp(sink - largest));
      for (let token = first; token <= position; token++)
        values(token, isQuantized(plan.value, plan, position, token)).forEach((x, channel) => {
          output[place * valueSize + channel]! += (weights[token]! / total) * x;
        });
    }
  }
  return output;
};

const isQuantized = (tensorScheme: TensorScheme, plan: LayerScheme, position: number, token: number): boolean =>
  token >= plan.residency.sinks && token < plan.residency.sinks + quantizedPrefix(tensorScheme, plan, position + 1);

const headRows = (source: Float32Array, head: number, { kvHeads, headSize }: LayerShape): Float32Array[] =>
  Array.from({ length: source.length / (kvHeads * headSize) }, (_, token) =>
    source.slice((token * kvHeads + head) * headSize, (token * kvHeads + head + 1) * headSize).map(roundToFloat16),
  );

const storedForms = (rows: Float32Array[], tensorScheme: TensorScheme, sinks: number, headSize: number) => {
  const blocks = new Map<number, Float32Array>();
  return (token: number, quantized: boolean): Float32Array => {
    if (!quantized) return rows[token]!;
    const blockSize = blockTokens(tensorScheme);
    const start = token - ((token - sinks) % blockSize);
    const block = blocks.get(start) ?? encodedBlock(rows.slice(start, start + blockSize), tensorScheme, headSize);
    blocks.set(start, block);
    return block.subarray((token - start) * headSize, (token - start + 1) * headSize);
  };
};

const encodedBlock = (rows: Float32Array[], tensorScheme: TensorScheme, headSize: number): Float32Array => {
  const flat = Float32Array.from(rows.flatMap((row) => [...row]));
  return decodeBlock(encodeBlock(flat, rows.length, headSize, tensorScheme), rows.length, headSize, tensorScheme);
};

const roundedHeads = (rows: Float32Array, scheme: TensorScheme, headSize: number): Float32Array =>
  Float32Array.from(
    Array.from({ length: rows.length / headSize }, (_, head) => [
      ...encodedBlock([rows.subarray(head * headSize, (head + 1) * headSize)], scheme, headSize),
    ]).flat(),
  );

const kernels = new Map(
  await Promise.all(
    shapes.map(
      async (shape) => [shape, await createAttentionKernel(shape, (model) => InferenceSession.create(model))] as const,
    ),
  ),
);

const tensorsOf = (shape: LayerShape, tokens: number, next: () => number): SampleTensors => {
  const { queryHeads, kvHeads, headSize, valueSize = headSize } = shape;
  const rows = (width: number): Float32Array => Float32Array.from({ length: tokens * width }, next);
  return { query: rows(queryHeads * headSize), key: rows(kvHeads * headSize), value: rows(kvHeads * valueSize) };
};

const expectNear = (output: ArrayLike<number>, expected: Float64Array): void => {
  let largest = 0;
  for (const [at, x] of expected.entries()) largest = Math.max(largest, Math.abs(x - output[at]!));
  expect(largest).toBeLessThan(2e-5);
};

test.prop(
  [
    fc.constantFrom(...layersOfShapes),
    layer,
    fc.constantFrom(undefined, blockFormatScheme("q8_0")),
    fc.integer({ min: 1, max: 140 }),
    fc.infiniteStream(fc.integer({ min: -4000, max: 4000 }).map((n) => n / 1009)),
  ],
  {
    numRuns: 40,
  },
)("one parallel pass equals a cache fed token by token", async ([shape, index], plan, queries, tokens, numbers) => {
  const own = layerShape(shape, index);
  const tensors = tensorsOf(own, tokens, () => numbers.next().value);
  const { headSize, valueSize = headSize } = own;
  const output = new Float32Array((tensors.query.length / headSize) * valueSize).fill(Number.NaN);
  const attention = createSampleAttention(shape, kernels.get(shape)!, [], () => queries);
  await attention.layer(index, tensors)(plan, output);
  const asked = queries ? { ...tensors, query: roundedHeads(tensors.query, queries, headSize) } : tensors;
  expectNear(output, reference(own, attentionOf(shape, index), plan, asked));
});

test.each(layersOfShapes)(
  "the float cache, fed in pieces, equals the reference on %j, layer %i",
  async (shape, index) => {
    const own = layerShape(shape, index);
    let step = 0;
    const tensors = tensorsOf(own, 9, () => roundToFloat16(Math.sin(step++)));
    const cache = new FloatAttention(shape, kernels.get(shape)!);
    const outputs: number[] = [];
    let start = 0;
    for (const end of [5, 6, 9]) {
      const piece = (rows: Float32Array): Tensor => {
        const width = rows.length / 9;
        return new Tensor("float32", rows.slice(start * width, end * width), [1, end - start, width]);
      };
      const output = await cache.attend(index, piece(tensors.query), piece(tensors.key), piece(tensors.value));
      outputs.push(...(output.data as Float32Array));
      start = end;
    }
    const plan = parseShorthand("none").layer;
    expectNear(outputs, reference(own, attentionOf(shape, index), plan, tensors));
  },
);
