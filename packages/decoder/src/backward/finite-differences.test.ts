import { assert, asyncProperty, boolean, constantFrom, integer, option, record } from "fast-check";
import { expect, test } from "vitest";
import type { WeightSource } from "../architecture/weights.ts";
import { loadDecoder } from "../load-decoder.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { randomWeights, type SmallModel } from "../test-support/random-weights.ts";
import { type InnerTensor, referenceLogits } from "../test-support/reference-decoder.ts";
import { backward } from "./backward.ts";

const createSession = oneThreadSession;

const modelArbitrary = record({
  architecture: constantFrom("llama" as const, "qwen2" as const, "qwen3" as const),
  kvHeads: constantFrom(1, 2, 4),
  headSize: constantFrom(4, 8),
  tied: boolean(),
  hasSinks: boolean(),
  softcap: option(constantFrom(0.7, 2), { nil: undefined }),
  span: option(constantFrom(2, 5), { nil: undefined }),
}).map(({ softcap, span, ...rest }): SmallModel => ({
  ...rest,
  layers: 2,
  hiddenSize: 16,
  feedForwardSize: 24,
  queryHeads: 4,
  vocabulary: 11,
  metadata: {
    ...(softcap !== undefined && { attn_logit_softcapping: softcap }),
    ...(span !== undefined && { "attention.sliding_window": span, "attention.sliding_window_pattern": 2 }),
  },
}));

const TENSORS = ["output", "query", "key", "value"] as const satisfies readonly InnerTensor[];
const SAMPLES = 2;
const STEP = 1e-4;

const generator = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
};

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, x, index) => sum + x * b[index]!, 0);

/** One of as many equal parts as there are samples. */
const partOf = (all: Float32Array, sample: number): Float32Array => {
  const size = all.length / SAMPLES;
  return all.subarray(sample * size, (sample + 1) * size);
};

/** Where a file of llama stores a channel of a query or key. */
const storedChannel = ({ architecture, headSize }: SmallModel, tensor: InnerTensor, channel: number): number => {
  if (architecture !== "llama" || tensor === "value" || tensor === "output") return channel;
  const [within, half] = [channel % headSize, headSize / 2];
  return channel - within + 2 * (within % half) + Math.floor(within / half);
};

/** A text, and scalar functions of its logits: their products with `weights`, `[samples, tokens, vocabulary]`. */
interface Problem {
  readonly model: SmallModel;
  readonly source: WeightSource;
  readonly ids: readonly number[];
  readonly weights: Float32Array;
}

const randomProblem = (model: SmallModel, tokens: number, random: () => number): Problem => ({
  model,
  source: randomWeights(model, Math.floor(random() * 2 ** 31)),
  ids: Array.from({ length: tokens }, () => Math.floor(((random() + 1) / 2) * model.vocabulary)),
  weights: Float32Array.from({ length: SAMPLES * tokens * model.vocabulary }, random),
});

/** A tensor of a layer, and where to move it: `[tokens, width]`. */
interface Move {
  readonly tensor: InnerTensor;
  readonly layer: number;
  readonly direction: readonly number[];
}

/** The scalar functions after a move, in double precision. */
const scalars = async ({ model, source, ids, weights }: Problem, move: Move, step: number): Promise<number[]> => {
  const logits = await referenceLogits(source, model, ids, (tensor, layer, rows) => {
    if (tensor !== move.tensor || layer !== move.layer) return rows;
    const width = rows[0]!.length;
    const moved = rows.map((row) => [...row]);
    for (const [place, x] of move.direction.entries())
      moved[Math.floor(place / width)]![storedChannel(model, tensor, place % width)]! += step * x;
    return moved;
  });
  return Array.from({ length: SAMPLES }, (_, sample) => dot(logits.flat(), partOf(weights, sample)));
};

/** How far the derivative along a move is from that of a gradient, over the gradient's norm. */
const errorsAlong = async (problem: Problem, move: Move, gradient: Float32Array): Promise<number[]> => {
  const above = await scalars(problem, move, STEP);
  const below = await scalars(problem, move, -STEP);
  return above.map((value, sample) => {
    const own = partOf(gradient, sample);
    const error = Math.abs(dot(own, move.direction) - (value - below[sample]!) / (2 * STEP));
    return error / (Math.hypot(...own) + 0.1);
  });
};

const cotangentOf =
  ({ ids, weights, model }: Problem) =>
  ({ first, logits, cotangent }: { first: number; logits: Float32Array; cotangent: Float32Array }): void => {
    for (let sample = 0; sample < SAMPLES; sample++) {
      const start = (sample * ids.length + first) * model.vocabulary;
      partOf(cotangent, sample).set(weights.subarray(start, start + logits.length));
    }
  };

test("gradients are those of finite differences in double precision", async () => {
  await assert(
    asyncProperty(modelArbitrary, integer(), integer({ min: 1, max: 7 }), async (model, seed, tokens) => {
      const random = generator(seed);
      const problem = randomProblem(model, tokens, random);
      const decoder = await loadDecoder(problem.source, { createSession });
      const options = { decoder, createSession, texts: [problem.ids], samples: SAMPLES };
      const steps: unknown[] = [];
      for await (const found of backward({ ...options, cotangent: cotangentOf(problem) })) {
        steps.push([found.hole, found.text]);
        for (const tensor of TENSORS) {
          const direction = Array.from({ length: found[tensor]!.length / SAMPLES }, random);
          const errors = await errorsAlong(problem, { tensor, layer: found.hole, direction }, found[tensor]!);
          expect(Math.max(...errors), `${tensor} of layer ${found.hole}`).toBeLessThan(1e-4);
        }
      }
      expect(steps).toEqual([
        [1, 0],
        [0, 0],
      ]);
      await decoder.dispose();
    }),
    { numRuns: 12 },
  );
}, 60_000);
