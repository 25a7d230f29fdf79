import { fc, test } from "@fast-check/vitest";
import { type Backend, supportsScheme } from "@kvtuner/backend";
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { type Decoder, loadDecoder } from "@kvtuner/decoder";
import { type Asset, layerScheme, type LayerScheme, type TensorScheme } from "@kvtuner/plan";
import { describe, expect } from "vitest";
import { oneThreadSession } from "../../../packages/decoder/src/test-support/one-thread-session.ts";
import { randomWeights, type SmallModel } from "../../../packages/decoder/src/test-support/random-weights.ts";
import { anyLayer } from "../../../packages/evaluation/src/test-support/any-layer.ts";
import { anyTransformOf } from "../../../packages/quantizers/src/test-support/any-transform.ts";
import { evaluatorLogits, largestDifference, runtimeLogits, type Run } from "./runtime-logits.ts";

const LAYERS = 2;
const VOCABULARY = 50;
const sizes = { hiddenSize: 32, feedForwardSize: 48, queryHeads: 4, kvHeads: 2, headSize: 32, vocabulary: VOCABULARY };
const decoderOf = (changes: Partial<SmallModel> = {}): Promise<Decoder> =>
  loadDecoder(randomWeights({ architecture: "llama", layers: LAYERS, ...sizes, tied: true, ...changes }, 11), {
    createSession: oneThreadSession,
  });
const plain = await decoderOf();
/** The first of two layers attends to a span; both have a scale of their own, capped scores and sinks. */
const sliding = await decoderOf({
  hasSinks: true,
  metadata: {
    "attention.scale": 0.3,
    "attention.sliding_window": 20,
    "attention.sliding_window_pattern": 2,
    attn_logit_softcapping: 2,
  },
});

/** What a backend's logits, and the keys and values before rounding, may differ by from the evaluator's. */
interface Tolerance {
  readonly logits: number;
  readonly keys: number;
}

const BACKENDS: readonly [Backend, Tolerance][] = [
  [createReferenceBackend(), { logits: 1e-4, keys: 1e-5 }],
  // Its attention may be off by 1e-3 of the largest output.
  [await createCpuBackend(), { logits: 1e-3, keys: 1e-4 }],
];

const float8: fc.Arbitrary<TensorScheme> = fc
  .record({
    format: fc.constantFrom("e4m3", "e5m2"),
    scope: fc.constantFrom("tensor", "head", "token"),
    isFixed: fc.boolean(),
    blockSize: fc.constantFrom(1, 32),
  })
  .map(({ format, scope, isFixed, blockSize }) => {
    const fixed = scope === "tensor" ? [0.01] : [0.01, 0.3];
    const isDynamic = scope === "token" || (scope === "head" && !isFixed);
    return { kind: "float8", format, scope, scales: isDynamic ? "dynamic" : fixed, blockSize };
  });
const layer = anyLayer(16, float8);

/** What a backend claims to store. */
const supported = ({ capabilities }: Backend): fc.Arbitrary<LayerScheme> =>
  layer.filter(({ key, value }) => supportsScheme(capabilities.key, key) && supportsScheme(capabilities.value, value));

/** A runtime under one plan, held against the evaluator under another. */
const compared = async (
  decoder: Decoder,
  backend: Backend,
  ids: Int32Array,
  evaluated: readonly LayerScheme[],
  run: readonly LayerScheme[],
  cuts: readonly number[],
  assets: readonly Asset[] = [],
): Promise<Run & { readonly difference: number }> => {
  const expected = await evaluatorLogits(decoder, ids, evaluated, assets);
  const cache = await backend.createCache(decoder.shape, { layers: run, shape: decoder.shape, assets });
  const result = await runtimeLogits(decoder, cache, ids, cuts, expected);
  await cache.dispose();
  return { ...result, difference: largestDifference(result.logits, expected.logits) };
};

/** A layer of transforms, with tables of their own. */
const transformLayer = (
  name: string,
): fc.Arbitrary<{ readonly layer: LayerScheme; readonly assets: readonly Asset[] }> =>
  fc
    .record({
      key: anyTransformOf(sizes.kvHeads, sizes.headSize, `${name}.key.`),
      value: anyTransformOf(sizes.kvHeads, sizes.headSize, `${name}.value.`),
      sinks: fc.constantFrom(0, 1, 4),
      recent: fc.constantFrom(0, 5, 32),
    })
    .map(({ key, value, sinks, recent }) => ({
      layer: { key: key.scheme, value: value.scheme, residency: { kind: "prefix", sinks, recent } },
      assets: [...key.assets, ...value.assets],
    }));

/** A prefill of any length, then token by token; or pieces of any lengths. */
const split = fc.oneof(
  fc.nat(120).map((prefill) => Array.from({ length: 120 - prefill }, (_, index) => prefill + index)),
  fc.array(fc.nat(120), { maxLength: 6 }),
);

test.prop(
  [
    fc.tuple(...Array.from({ length: LAYERS }, (_, index) => transformLayer(`layer${index}`))),
    fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: 120 }),
    split,
  ],
  { numRuns: 25 },
)("the reference's logits are the evaluator's with tables for heads and positions", async (layers, text, cuts) => {
  const [backend, tolerance] = BACKENDS[0]!;
  const schemes = layers.map(({ layer: own }) => own);
  const assets = layers.flatMap((own) => own.assets);
  const run = await compared(plain, backend, Int32Array.from(text), schemes, schemes, cuts, assets);
  expect(run.difference).toBeLessThan(tolerance.logits);
});

describe.each(BACKENDS)("$name", (backend, tolerance) => {
  test.prop(
    [
      fc.array(supported(backend), { minLength: LAYERS, maxLength: LAYERS }),
      fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: 120 }),
      split,
    ],
    { numRuns: 40 },
  )(
    "the runtime's logits are the evaluator's, for every scheme, prefill length and split",
    async (layers, text, cuts) => {
      const run = await compared(plain, backend, Int32Array.from(text), layers, layers, cuts);
      expect(run.difference).toBeLessThan(tolerance.logits);
      expect(run.largestDifference).toBeLessThan(tolerance.keys);
    },
  );

  test.prop(
    [
      fc.array(supported(backend), { minLength: LAYERS, maxLength: LAYERS }),
      fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: 120 }),
      split,
    ],
    { numRuns: 30 },
  )("so they are with sliding attention, a scale, capped scores and sinks", async (layers, text, cuts) => {
    const run = await compared(sliding, backend, Int32Array.from(text), layers, layers, cuts);
    expect(run.difference).toBeLessThan(tolerance.logits);
    expect(run.largestDifference).toBeLessThan(tolerance.keys);
  });

  test.each(["qwen2", "qwen3"] as const)("so they are for a %s model", async (architecture) => {
    const decoder = await decoderOf({ architecture });
    const ids = Int32Array.from({ length: 60 }, (_, index) => (index * 13 + 5) % VOCABULARY);
    const plan = Array.from({ length: LAYERS }, () => layerScheme("per-token", { key: 4, value: 2 }, { recent: 5 }));
    const cuts = Array.from({ length: 20 }, (_, index) => 40 + index);
    const run = await compared(decoder, backend, ids, plan, plan, cuts);
    expect(run.difference).toBeLessThan(tolerance.logits);
    expect(run.largestDifference).toBeLessThan(tolerance.keys);
    await decoder.dispose();
  });

  test("a runtime that keeps one recent token more is noticed", async () => {
    const ids = Int32Array.from({ length: 40 }, (_, index) => (index * 13 + 5) % VOCABULARY);
    const plan = (recent: number): LayerScheme[] =>
      Array.from({ length: LAYERS }, () => layerScheme("per-token", { key: 2, value: 2 }, { recent }));
    expect((await compared(plain, backend, ids, plan(5), plan(5), [])).difference).toBeLessThan(tolerance.logits);
    expect((await compared(plain, backend, ids, plan(5), plan(6), [])).difference).toBeGreaterThan(
      4 * tolerance.logits,
    );
  });
});
