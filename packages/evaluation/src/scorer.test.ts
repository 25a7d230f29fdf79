import { fc, test } from "@fast-check/vitest";
import { serializeGraph } from "@kvtuner/decoder";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect } from "vitest";
import { logProbabilityGraph, scoreGraph } from "./score-graph.ts";

const VOCABULARY = 200;
const session = await InferenceSession.create(serializeGraph(scoreGraph(VOCABULARY)));
const normalizer = await InferenceSession.create(serializeGraph(logProbabilityGraph(VOCABULARY)));

/** KL in double precision, by definition. */
const divergence = (base: Float32Array, logits: Float32Array): { kl: number; logSumExp: number } => {
  const logSumExp = (values: Float32Array): number => {
    const largest = Math.max(...values);
    return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  };
  const from = logSumExp(base);
  const to = logSumExp(logits);
  let kl = 0;
  for (const [index, value] of base.entries()) kl += Math.exp(value - from) * (value - from - (logits[index]! - to));
  return { kl, logSumExp: to };
};

const row = fc.array(
  fc.integer({ min: -1500, max: 1500 }).map((n) => n / 101),
  { minLength: VOCABULARY, maxLength: VOCABULARY },
);

test.prop([row, row, fc.constantFrom(1e-4, 1e-2, 1, 10)])(
  "divergence and log-sum-exp equal the definition, without cancellation when plans nearly agree",
  async (base, noise, scale) => {
    const dims = [1, VOCABULARY];
    const raw = Float32Array.from(base);
    const logits = raw.map((value, index) => value + (noise[index]! / 15) * scale);
    const normalized = await normalizer.run({ logits: new Tensor("float32", raw, dims) });
    const output = await session.run({
      logits: new Tensor("float32", logits, dims),
      base: normalized["log_probability"]!,
    });
    const expected = divergence(raw, logits);
    const kl = Math.log1p((output["excess"]!.data as Float32Array)[0]!);
    expect(Math.abs(kl - expected.kl)).toBeLessThanOrEqual(3e-7 + 1e-4 * expected.kl);
    expect((output["mean"]!.data as Float32Array)[0]! + kl).toBeCloseTo(expected.logSumExp, 4);
    expect(logits[Number((output["best"]!.data as BigInt64Array)[0])]).toBe(Math.max(...logits));
  },
);
