import { batchContinuations, measureDistributions } from "@kvtuner/decoder";
import { attentionGradients, createEvaluator, scoringBytes, trace } from "@kvtuner/evaluation";
import { warnOnce, type TunableModel } from "@kvtuner/tuning";
import { distributionsOf } from "./distributions.ts";
import type { ContextOption } from "./header.ts";
import type { ModelAccess } from "./resolve.ts";
import { openRunnableModel } from "./runnable-model.ts";
import { createSession } from "./session.ts";
import { openSpillFile } from "./spill-file.ts";
import { openTaskEvaluator } from "./task-evaluator.ts";

/**
 * Opens a model, given as to `resolveModel`. Reads and checks the header now, and loads the
 * weights on first use.
 *
 * @param intended the longest sequence to run; a longer one fails with `MODEL_ROPE_CONTEXT` if the model's RoPE depends on it
 *
 * @throws KvtunerError when there is no such file, or the model cannot be run
 */
export const openModel = async (
  model: string,
  access: ModelAccess,
  intended: ContextOption = {},
): Promise<TunableModel> => {
  const opened = await openRunnableModel(
    model,
    { ...intended, createSession, weights: "exact", besideBytes: evaluationBytes },
    access,
  );
  const { identity, shape, contextLength, tokenizer, load, dispose } = opened;
  const { startIds, bosId, eosIds } = tokenizer;
  const { warn } = warnOnce(access);
  const encode = (text: string): Int32Array => tokenizer.encode(text);
  const endTokens = [...eosIds, ...(bosId === undefined ? [] : [bosId])];
  return {
    identity,
    shape,
    encode,
    startIds,
    distributions: async () =>
      opened.isExport ? measureDistributions(await load()) : distributionsOf(opened.paths[0]),
    continuations: async (prompts, options) =>
      batchContinuations(await load(), prompts.map(encode), { ...options, endTokens }),
    evaluator: async (samples) => {
      if (samples.some(({ length }) => length > contextLength)) warn(untrained(contextLength));
      return createEvaluator({ decoder: await load(), samples, createSession, ...ACTIVATIONS });
    },
    tasks: {
      tokenizer,
      contextLength,
      evaluator: async (prompts, options) =>
        openTaskEvaluator({
          ...options,
          decoder: await load(),
          tokenizer,
          prompts,
          createSession,
          ...ACTIVATIONS,
        }),
    },
    // Graphs of exported models have operators without a known derivative.
    ...(!opened.isExport && {
      gradients: async (samples, options, visit) =>
        attentionGradients(await load(), samples, { ...options, ...ACTIVATIONS, createSession }, visit),
    }),
    trace: async (sample, visit) => trace(await load(), sample, visit),
    dispose,
  };
};

/**
 * Plans run together until 4096 tokens pass a segment, so that reading it costs little and the float cache's logits are computed
 * once for several plans. A run that is killed loses no more than these plans.
 */
const ACTIVATIONS = {
  openSpill: openSpillFile,
  memoryBytes: 2 ** 28,
  rowsPerSegment: 4096,
  keptBaseBytes: 0,
};

/** Memory of evaluations beside the model, bytes, at most: activations beyond are spilled. */
const evaluationBytes = (vocabularySize: number): number => ACTIVATIONS.memoryBytes + scoringBytes(vocabularySize);

const untrained = (contextLength: number): string =>
  `the model was trained on ${contextLength} tokens; on longer samples it predicts poorly, so a plan's loss means little; use a shorter --sample-length`;
