import { loadDecoder, loadTokenizer, type Decoder, type GgufFile, type Tokenizer } from "@kvtuner/decoder";
import { createEvaluator, trace } from "@kvtuner/evaluation";

import type { RunContext } from "../progress.ts";
import { batchContinuations } from "./batch-continuations.ts";
import { openHeader } from "./header.ts";
import { createSession } from "./session.ts";
import { resolveModel } from "./resolve.ts";
import { sha256File } from "./sha256-file.ts";
import type { TunableModel } from "./tunable-model.ts";

/**
 * Opens a GGUF file, given by path or by a name that `npm run model` fetches. The header is read and checked now; the
 * weights are loaded when first needed.
 *
 * @throws KvtunerError when there is no such file, or it is none that can be run.
 */
export const openModel = async (model: string, run: RunContext): Promise<TunableModel> => {
  const path = resolveModel(model);
  const header = await openHeader(path);
  const tokenizer = loadTokenizer(header.gguf);
  const sha256 = await sha256File(path);
  const decoder = lazyDecoder(header.gguf, sha256, run);
  const encode = (text: string): Int32Array => tokenizer.encode(text);
  return {
    identity: { ...header.identity, sha256 },
    shape: header.shape,
    encode,
    continuations: async (prompts, options) =>
      batchContinuations({ decoder: await decoder.get(), encode, endTokens: endTokens(tokenizer) }, prompts, options),
    evaluator: async (windows) => createEvaluator({ decoder: await decoder.get(), windows, createSession }),
    trace: async (window, visit) => trace(await decoder.get(), window, visit),
    dispose: async () => {
      await decoder.dispose();
      await header.close();
    },
  };
};

const endTokens = ({ bosId, eosIds }: Tokenizer): number[] => [...eosIds, ...(bosId === undefined ? [] : [bosId])];

interface LazyDecoder {
  get(): Promise<Decoder>;
  dispose(): Promise<void>;
}

const lazyDecoder = (gguf: GgufFile, sha256: string, { progress, signal }: RunContext): LazyDecoder => {
  let decoder: Promise<Decoder> | undefined;
  const onProgress = (done: number, total: number): void => {
    signal?.throwIfAborted();
    progress({ step: "load", done, total });
  };
  return {
    get: () => (decoder ??= loadDecoder(gguf, { createSession, onProgress, sha256 })),
    dispose: async () => {
      await (await decoder?.catch(() => undefined))?.dispose();
    },
  };
};
