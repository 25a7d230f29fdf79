import { loadTokenizer, type Tokenizer } from "@kvtuner/decoder";
import { createEvaluator, trace } from "@kvtuner/evaluation";
import { warnOnce, type RunContext, type TunableModel } from "@kvtuner/tuning";
import { batchContinuations } from "./batch-continuations.ts";
import { openHeader, type ModelHeader } from "./header.ts";
import { lazyDecoder } from "./lazy-decoder.ts";
import { resolveModel } from "./resolve.ts";
import { createSession } from "./session.ts";
import { sha256File } from "./sha256-file.ts";
import { openTaskEvaluator } from "./task-evaluator.ts";

/**
 * Opens a GGUF file, given by path or by a name that `npm run model` fetches. Reads and checks the header now, and loads the
 * weights on first use.
 *
 * @throws KvtunerError when there is no such file, or the model cannot be run
 */
export const openModel = async (model: string, run: RunContext): Promise<TunableModel> => {
  const path = resolveModel(model);
  const header = await openHeader(path);
  const { tokenizer, sha256 } = await readBeside(path, header);
  const decoder = lazyDecoder(header.gguf, { createSession, sha256 }, run);
  tokenizer.warnings.forEach(run.warn);
  const { warn } = warnOnce(run);
  const encode = (text: string): Int32Array => tokenizer.encode(text);
  return {
    identity: { ...header.identity, sha256 },
    shape: header.shape,
    encode,
    startIds: tokenizer.startIds,
    continuations: async (prompts, options) =>
      batchContinuations({ decoder: await decoder.get(), encode, endTokens: endTokens(tokenizer) }, prompts, options),
    evaluator: async (samples) => {
      if (samples.some(({ length }) => length > header.contextLength)) warn(untrained(header.contextLength));
      return createEvaluator({ decoder: await decoder.get(), samples, createSession });
    },
    tasks: {
      tokenizer,
      contextLength: header.contextLength,
      evaluator: async (prompts, options) =>
        openTaskEvaluator({ ...options, decoder: await decoder.get(), tokenizer, prompts, createSession }),
    },
    trace: async (sample, visit) => trace(await decoder.get(), sample, visit),
    dispose: async () => {
      await decoder.dispose();
      await header.close();
    },
  };
};

/** What is read besides the header; closes the file if that fails. */
const readBeside = async (path: string, header: ModelHeader): Promise<{ tokenizer: Tokenizer; sha256: string }> => {
  try {
    return { tokenizer: loadTokenizer(header.gguf), sha256: await sha256File(path) };
  } catch (error) {
    await header.close();
    throw error;
  }
};

const untrained = (contextLength: number): string =>
  `the model was trained on ${contextLength} tokens; on longer samples it predicts poorly, so a plan's loss means little; use a shorter --sample-length`;

const endTokens = ({ bosId, eosIds }: Tokenizer): number[] => [...eosIds, ...(bosId === undefined ? [] : [bosId])];
