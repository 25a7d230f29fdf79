import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test as property } from "@fast-check/vitest";
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { FloatAttention, loadDecoder } from "@kvtuner/decoder";
import {
  createTaskEvaluator,
  greedyOutputs,
  planLogits,
  type EncodedPrompt,
  type Likelihood,
  type SpillFile,
  type TaskCache,
  type TaskEvaluatorOptions,
  type TaskOutcome,
} from "@kvtuner/evaluation";
import { layerScheme, parseShorthand, type LayerScheme, type Plan } from "@kvtuner/plan";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { randomWeights } from "../../../packages/decoder/src/test-support/random-weights.ts";
import { openSpillFile } from "../src/model/spill-file.ts";

const LAYERS = 3;
const VOCABULARY = 50;
const END_TOKENS = [7, 9];
// One thread: several small sessions whose threads wait for each other would take the cores from one another.
const createSession = (model: Uint8Array): Promise<InferenceSession> =>
  InferenceSession.create(model, { intraOpNumThreads: 1 });
const sizes = { hiddenSize: 32, feedForwardSize: 48, queryHeads: 4, kvHeads: 2, headSize: 32, vocabulary: VOCABULARY };
const decoder = await loadDecoder(randomWeights({ architecture: "llama", layers: LAYERS, ...sizes, tied: false }, 5), {
  createSession,
});
const cpu = await createCpuBackend();
const reference = createReferenceBackend();

/** Tokens are written as numbers; the last is the number of an output. */
const tokenizer = { decode: (ids: ArrayLike<number>) => Array.from(ids).join(" "), eosIds: END_TOKENS };

const prompt = (ids: readonly number[], parts: Partial<EncodedPrompt> & { answer?: string } = {}): EncodedPrompt => ({
  item: { prompt: "", answer: parts.answer ?? "", compare: "exact", line: 1 },
  ids: Int32Array.from(ids),
  targets: [],
  right: 0,
  stop: new Int32Array(0),
  ...parts,
});

const evaluatorOf = async (prompts: readonly EncodedPrompt[], options: Partial<TaskEvaluatorOptions> = {}) =>
  createTaskEvaluator({ decoder, tokenizer, prompts, createSession, ...options });

/** Logits after the last of `ids`, by the evaluator's own pass over nothing else. */
const logitsAfter = async (ids: readonly number[], plan: readonly LayerScheme[]): Promise<Float32Array> =>
  (await planLogits(decoder, Int32Array.from(ids), { layers: plan })).subarray(-VOCABULARY);

const indexOfLargest = (values: ArrayLike<number>): number =>
  Array.from(values).indexOf(Math.max(...Array.from(values)));

/** Greedy decoding the slow way: a whole pass for each token. */
const slowOutput = async (ids: readonly number[], plan: readonly LayerScheme[], tokens: number): Promise<number[]> => {
  const output: number[] = [];
  while (output.length < tokens) output.push(indexOfLargest(await logitsAfter([...ids, ...output], plan)));
  return output;
};

/** What stands before the first end token, or the first stop, of an output; undefined when it does not end. */
const untilEnd = (
  output: readonly number[],
  stop: readonly number[],
  ends: readonly number[],
): number[] | undefined => {
  for (let length = 1; length <= output.length; length++) {
    const isStop = stop.length > 0 && output.slice(0, length).slice(-stop.length).join() === stop.join();
    if (isStop) return output.slice(0, length - stop.length);
    if (ends.includes(output[length - 1]!)) return output.slice(0, length - 1);
  }
  return undefined;
};

const logProbabilities = (logits: Float32Array): number[] => {
  const largest = Math.max(...logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
  return Array.from(logits, (logit) => logit - largest - Math.log(total));
};

const schemes = [
  ...[2, 4, 16].flatMap((key) =>
    [2, 3, 16].map((value) => layerScheme("per-token", { key, value } as { key: 2; value: 2 })),
  ),
  parseShorthand("kivi:K2V2").layer,
  parseShorthand("per-token:K2V2+recent5+sinks2").layer,
];
const plan = fc.array(fc.constantFrom(...schemes), { minLength: LAYERS, maxLength: LAYERS });
const promptIds = fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: 50 });
const uniform = (shorthand: string): LayerScheme[] =>
  Array.from({ length: LAYERS }, () => parseShorthand(shorthand).layer);

describe("teacher forcing", () => {
  /** How an answer is made from what greedy decoding gives: tokens taken, whether one is changed, and what may follow it. */
  const answer = fc.record({
    ids: promptIds,
    length: fc.integer({ min: 1, max: 5 }),
    changed: fc.option(fc.nat(4), { nil: undefined, freq: 2 }),
    stopLength: fc.nat(2),
    isStopChanged: fc.boolean(),
    isEnd: fc.boolean(),
  });

  property.prop([plan, fc.array(answer, { minLength: 1, maxLength: 6 })], { numRuns: 12 })(
    "says of every prompt what generating token by token says",
    async (layers, answers) => {
      const [prompts, outputs]: [EncodedPrompt[], number[][]] = [[], []];
      const [expected, ends]: [boolean[], number[]] = [[], []];
      for (const { ids, length, changed, stopLength, isStopChanged, isEnd } of answers) {
        const output = await slowOutput(ids, layers, length + 2);
        const target = output.slice(0, length);
        if (changed !== undefined && changed < length) target[changed] = (target[changed]! + 1) % VOCABULARY;
        const stop = output.slice(length, length + stopLength);
        if (isStopChanged && stopLength > 0) stop[stopLength - 1] = (stop[stopLength - 1]! + 1) % VOCABULARY;
        if (isEnd) ends.push(output[length]!);
        outputs.push(output);
        prompts.push(prompt(ids, { targets: [Int32Array.from(target)], stop: Int32Array.from(stop) }));
      }
      for (const [index, { targets, stop }] of prompts.entries())
        expected.push(untilEnd(outputs[index]!, [...stop], ends)?.join() === targets[0]!.join());
      const evaluator = await evaluatorOf(prompts, { tokenizer: { ...tokenizer, eosIds: ends } });
      const [outcome] = await evaluator.evaluate([layers]);
      expect(outcome?.correct).toEqual(expected);
      await evaluator.dispose();
    },
  );

  test("tells right from wrong answers: plan none gives its own, two bits do not", async () => {
    const prompts: EncodedPrompt[] = [];
    for (let start = 0; start < 8; start++) {
      const ids = Array.from({ length: 12 }, (_, index) => (start * 5 + index * 11) % VOCABULARY);
      const [first = 0, second = 0, third = 0] = await slowOutput(ids, uniform("none"), 3);
      if (third === first || third === second) continue;
      prompts.push(prompt(ids, { targets: [Int32Array.of(first, second)], stop: Int32Array.of(third) }));
    }
    expect(prompts.length).toBeGreaterThan(3);
    const evaluator = await evaluatorOf(prompts, { tokenizer: { ...tokenizer, eosIds: [] } });
    const [none, two] = await evaluator.evaluate([uniform("none"), uniform("per-token:K2V2")]);
    expect(none?.correct).toEqual(prompts.map(() => true));
    expect(two?.correct).toContain(false);
    expect(await evaluator.float()).toEqual({ correct: none?.correct, kl: prompts.map(() => 0) });
  });
});

describe.each([["cpu", cpu] as const, ["cpu-reference", reference] as const])("generating on %s", (_, backend) => {
  property.prop([plan, fc.array(promptIds, { minLength: 1, maxLength: 18 })], { numRuns: backend === cpu ? 4 : 2 })(
    "gives the outputs of a whole pass for each token, some prompts at once",
    async (layers, prompts) => {
      const openCache = async (): Promise<TaskCache> =>
        backend.createCache(decoder.shape, { layers, shape: decoder.shape });
      const outputs = await greedyOutputs({
        decoder,
        openCache,
        prompts: prompts.map((ids) => Int32Array.from(ids)),
        endTokens: END_TOKENS,
        maxTokens: 5,
        isOver: (_index, output) => output.at(-1) === 11,
      });
      for (const [index, ids] of prompts.entries()) {
        const slow = await slowOutput(ids, layers, 5);
        const end = slow.findIndex((token) => END_TOKENS.includes(token));
        const over = slow.indexOf(11);
        const length = Math.min(end < 0 ? 5 : end, over < 0 ? 5 : over + 1);
        expect(outputs[index]).toEqual(slow.slice(0, length));
      }
    },
  );
});

test("numbers are generated on the plan's cache, up to the stop or the most tokens", async () => {
  const ids = [8, 2, 6, 30, 12];
  const layers = uniform("per-token:K4V3");
  const output = await slowOutput(ids, layers, 6);
  const of = (answer: string, stop?: string): EncodedPrompt =>
    prompt(ids, {
      item: { prompt: "", answer, compare: "number", line: 1, ...(stop !== undefined && { stop }) },
      targets: [Int32Array.from([1, 2])],
    });
  const prompts = [of(String(output[5])), of(String(output[1])), of(String(output[1]), ` ${output[2]}`)];
  const openCache = async (given: Pick<Plan, "layers">): Promise<TaskCache> =>
    reference.createCache(decoder.shape, { ...given, shape: decoder.shape });
  const evaluator = await evaluatorOf(prompts, { openCache, maxTokens: 6, tokenizer: { ...tokenizer, eosIds: [] } });
  const [outcome] = await evaluator.evaluate([layers]);
  expect(outcome?.correct).toEqual([true, output[5] === output[1], true]);
  await expect(evaluatorOf(prompts)).rejects.toMatchObject({
    code: "TASK_NO_CACHE",
    message: expect.stringContaining("line 1"),
  });
});

describe("choices and KL", () => {
  const chosen: EncodedPrompt[] = [
    [5, 3, 8, 8, 2],
    [1, 1, 30],
    [44, 2, 2, 2, 2, 2, 17, 4],
  ].map((ids, index) =>
    prompt(ids, {
      item: { prompt: "", answer: "", compare: "choice", line: index + 1 },
      targets: [Int32Array.of(4, 4, 4, 4), Int32Array.of(21), Int32Array.of(3, 40)],
      right: index,
    }),
  );

  test.each(["sum", "per-token"] as const)("are those of double precision, by %s", async (likelihood: Likelihood) => {
    const layers = uniform("per-token:K3V2");
    const evaluator = await evaluatorOf(chosen, { likelihood });
    const [outcome] = await evaluator.evaluate([layers]);
    const likeliest: number[] = [];
    for (const [index, { ids, targets, right }] of chosen.entries()) {
      const logs: number[] = [];
      for (const target of targets) {
        const rows = await logRows([...ids, ...target], layers, ids.length);
        const sum = target.reduce((total, token, at) => total + rows[at]![token]!, 0);
        logs.push(likelihood === "sum" ? sum : sum / target.length);
      }
      likeliest.push(logs.indexOf(Math.max(...logs)));
      const target = targets[right]!;
      const [base, rows] = [
        await logRows([...ids, ...target], uniform("none"), ids.length),
        await logRows([...ids, ...target], layers, ids.length),
      ];
      const kl = base.map((row, at) =>
        row.reduce((sum, log, token) => sum + Math.exp(log) * (log - rows[at]![token]!), 0),
      );
      // Plan none rounds to float16, the float cache does not.
      expect(outcome?.kl[index]).toBeCloseTo(kl.reduce((sum, one) => sum + one, 0) / kl.length, 2);
    }
    expect(outcome?.correct).toEqual(likeliest.map((choice, index) => choice === chosen[index]?.right));
    await evaluator.dispose();
  });

  /** Log-probabilities that predict each token from `from` on. */
  const logRows = async (ids: readonly number[], layers: readonly LayerScheme[], from: number): Promise<number[][]> => {
    const logits = await planLogits(decoder, Int32Array.from(ids), { layers });
    return Array.from({ length: ids.length - from }, (_, row) =>
      logProbabilities(logits.subarray((from + row - 1) * VOCABULARY, (from + row) * VOCABULARY)),
    );
  };
});

test("neither batch nor range nor company changes an outcome; each plan is heard once", async () => {
  const prompts = Array.from({ length: 9 }, (_, index) =>
    prompt(
      Array.from({ length: 5 + 40 * (index % 3) }, (__, at) => (at * (7 + index) + index) % VOCABULARY),
      {
        targets: [Int32Array.of(index, 3, 5)],
      },
    ),
  );
  const plans = ["none", "per-token:K2V2", "per-token:K2V2", "kivi:K2V2"].map(uniform);
  plans.push([...uniform("per-token:K2V2").slice(1), parseShorthand("none").layer]);
  const evaluator = await evaluatorOf(prompts);
  const heard = new Map<number, TaskOutcome>();
  const together = await evaluator.evaluate(plans, { onOutcome: (index, outcome) => void heard.set(index, outcome) });
  expect([...heard].toSorted(([one], [other]) => one - other)).toEqual([...together.entries()]);
  for (const [index, layers] of plans.entries()) {
    const parts = [];
    for (const [start, end] of [
      [0, 2],
      [2, 3],
      [3, 9],
    ] as const)
      parts.push(...(await evaluator.evaluate([layers], { start, end })));
    expect(parts.flatMap(({ correct }) => correct)).toEqual(together[index]?.correct);
    for (const [at, kl] of parts.flatMap((part) => part.kl).entries())
      expect(Math.abs(kl - together[index]!.kl[at]!)).toBeLessThan(1e-4 + 1e-3 * kl);
  }
  const openSpill = (): Promise<SpillFile> => openSpillFile(mkdtempSync(join(tmpdir(), "kvtuner-tasks-")));
  for (const rowsPerSegment of [1, 1e6]) {
    const spilled = await evaluatorOf(prompts, { memoryBytes: 0, openSpill, rowsPerSegment });
    expect(await spilled.evaluate(plans)).toEqual(together);
    await spilled.dispose();
  }
  await expect(evaluator.evaluate([[parseShorthand("none").layer]])).rejects.toMatchObject({
    code: "EVALUATION_LAYERS",
  });
  await expect(evaluatorOf([])).rejects.toMatchObject({ code: "TASK_EMPTY" });
  const controller = new AbortController();
  controller.abort(new Error("enough"));
  await expect(evaluator.evaluate(plans, { signal: controller.signal })).rejects.toThrow("enough");
});

test("the float cache generates as plain attention does", async () => {
  const ids = [8, 2, 6, 30, 12];
  const openCache = async (): Promise<TaskCache> => new FloatAttention(decoder.shape, decoder.attention);
  const [output] = await greedyOutputs({
    decoder,
    openCache,
    prompts: [Int32Array.from(ids)],
    endTokens: [],
    maxTokens: 4,
  });
  const item = { prompt: "", answer: String(output?.at(-1)), compare: "number", line: 1 } as const;
  const evaluator = await evaluatorOf([prompt(ids, { item, targets: [Int32Array.of(1)] })], {
    openCache,
    maxTokens: 4,
    tokenizer: { ...tokenizer, eosIds: [] },
  });
  expect((await evaluator.float()).correct).toEqual([true]);
});
