import type { EncodedPrompt, Evaluator, Score, TaskEvaluator, TaskModel, TaskOutcome } from "@kvtuner/evaluation";
import { type CacheShape, type LayerScheme, layerShape, type LayerShape, pairOf } from "@kvtuner/plan";
import type { TunableModel } from "@kvtuner/tuning";
import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A model whose losses are a formula, for tests of everything around it. */
export interface FakeModel extends TunableModel {
  /** Plans scored so far, by any evaluator. */
  readonly scored: () => number;
  /** Prompts put to plans so far. */
  readonly answered: () => number;
}

const SHAPE: CacheShape = { layers: 5, queryHeads: 4, kvHeads: 2, headSize: 32 };

/** `afterScore` is called after each plan, and may throw, as a process that is killed there would end. */
export const fakeModel = (
  afterScore: (scored: number) => void = () => undefined,
  shape: CacheShape = SHAPE,
): FakeModel => {
  let scored = 0;
  let answered = 0;
  const taskEvaluator = (prompts: readonly EncodedPrompt[]): TaskEvaluator => ({
    prompts: prompts.length,
    float: async ({ start = 0, end = Infinity } = {}) => formulaOutcome(0, start, Math.min(end, prompts.length)),
    evaluate: async (plans, { start = 0, end = Infinity, onOutcome } = {}) => {
      const outcomes: TaskOutcome[] = [];
      for (const [index, plan] of plans.entries()) {
        const outcome = formulaOutcome(formulaScore(plan).kl, start, Math.min(end, prompts.length));
        outcomes.push(outcome);
        scored++;
        answered += outcome.correct.length;
        await onOutcome?.(index, outcome);
        afterScore(scored);
      }
      return outcomes;
    },
    dispose: async () => undefined,
  });
  const evaluator: Evaluator = {
    shape,
    base: async () => ({ perplexity: 10, tokens: 64 }),
    evaluate: async (plans, { onScore } = {}) => {
      const scores: Score[] = [];
      for (const [index, plan] of plans.entries()) {
        const score = formulaScore(plan);
        scores.push(score);
        scored++;
        await onScore?.(index, score);
        afterScore(scored);
      }
      return scores;
    },
    scoreRuntime: async () => formulaScore([]),
    dispose: async () => undefined,
  };
  return {
    // No checksum: nothing of it is kept under KVTUNER_HOME.
    identity: { name: "fake", architecture: "llama" },
    shape,
    scored: () => scored,
    answered: () => answered,
    tasks: {
      tokenizer: {
        encode,
        decode: (ids) => Array.from(ids, (id) => String.fromCodePoint(id)).join(""),
        chatPrompt,
        chatIds: (messages) => encode(chatPrompt(messages)),
        eosIds: [0],
      },
      contextLength: 200,
      evaluator: async (prompts) => taskEvaluator(prompts),
    },
    encode,
    continuations: async (prompts, { tokens, seed }) =>
      prompts.map((_, index) => Int32Array.from({ length: tokens }, (__, token) => (seed + index * 7 + token) % 50)),
    evaluator: async () => evaluator,
    trace: async (sample, visit) => {
      for (let layer = 0; layer < shape.layers; layer++)
        await visit(layer, randomTrace(layer, layerShape(shape, layer), sample.length));
    },
    dispose: async () => undefined,
  };
};

const chatPrompt: TaskModel["tokenizer"]["chatPrompt"] = (messages) => messages.map(({ content }) => content).join("|");

const encode = (text: string): Int32Array => Int32Array.from(text, (character) => character.codePointAt(0) ?? 0);

/** Each prompt bears so much loss, from next to nothing up, and some none at all; answers are more than KL to tell. */
const formulaOutcome = (kl: number, start: number, end: number): TaskOutcome => {
  const prompts = Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
  return {
    correct: prompts.map((prompt) => kl < 3 * (((prompt * 37 + 11) % 101) / 101) ** 3 - 0.001),
    kl: prompts.map((prompt) => kl * (0.5 + ((prompt * 29) % 101) / 101)),
  };
};

/** Layers differ in how sensitive they are; losses nearly add up, with a term that does not. */
const formulaScore = (plan: readonly LayerScheme[]): Score => {
  const losses = plan.map((scheme, layer) => {
    const { key, value } = pairOf(scheme);
    return sensitivity(layer) * (3 * loss(key) + loss(value));
  });
  const sum = losses.reduce((total, part) => total + part, 0);
  const kl = sum * (1 + 0.2 * Math.sin(100 * sum));
  return {
    kl,
    klStandardError: kl / 10,
    klTail: 10 * kl,
    top1: 1 - Math.min(1, kl),
    top1StandardError: 0,
    perplexity: 10 * Math.exp(kl),
    perplexityStandardError: 0,
    basePerplexity: 10,
    tokens: 64,
    sampleKl: [kl],
  };
};

const sensitivity = (layer: number): number => 1 + ((layer * 3) % 5);

const loss = (bits: number): number => (bits >= 16 ? 0 : 0.05 * 4 ** -(bits - 2));

const randomTrace = (
  layer: number,
  { queryHeads, kvHeads, headSize }: LayerShape,
  tokens: number,
): { query: Float32Array; key: Float32Array; value: Float32Array } => {
  const random = xoroshiro128plus(layer);
  const numbers = (heads: number): Float32Array =>
    Float32Array.from({ length: tokens * heads * headSize }, () => uniformFloat32(random) - 0.5);
  return { query: numbers(queryHeads), key: numbers(kvHeads), value: numbers(kvHeads) };
};
