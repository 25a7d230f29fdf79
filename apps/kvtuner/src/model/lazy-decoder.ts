import { loadDecoder, weightMemory, type Decoder, type GgufFile, type LoadOptions } from "@kvtuner/decoder";
import { formatBytes, KvtunerError } from "@kvtuner/plan";
import type { Callbacks } from "@kvtuner/tuning";
import { assertMemory } from "./memory.ts";

/** A decoder loaded on first use, once even for concurrent callers. */
export interface LazyDecoder {
  get(): Promise<Decoder>;
  /** Releases the decoder. A load in progress stops between two segments. */
  dispose(): Promise<void>;
}

/** After a load that failed or was aborted, the next caller loads again. */
export const lazyDecoder = (
  gguf: GgufFile,
  options: Omit<LoadOptions, "onProgress">,
  { progress, signal }: Callbacks,
): LazyDecoder => {
  const { weights = "float32" } = options;
  const memory = weightMemory(gguf, weights);
  const note = `up to about ${formatBytes(memory.peakBytes)} of memory`;
  let decoder: Promise<Decoder> | undefined;
  let disposed = false;
  const onProgress = (done: number, total: number): void => {
    signal?.throwIfAborted();
    assertInUse(disposed);
    progress({ step: "load", done, total, note });
  };
  const load = async (): Promise<Decoder> => {
    assertInUse(disposed);
    try {
      assertMemory(memory, weights);
      return await loadDecoder(gguf, { ...options, onProgress });
    } catch (error) {
      decoder = undefined;
      throw error;
    }
  };
  return {
    get: async () => (decoder ??= load()),
    dispose: async () => {
      disposed = true;
      await (await decoder?.catch(() => undefined))?.dispose();
    },
  };
};

const assertInUse = (disposed: boolean): void => {
  if (disposed) throw new ModelDisposedError();
};

/** Use of a model after `dispose()`. */
class ModelDisposedError extends KvtunerError {
  constructor() {
    super("MODEL_DISPOSED", "expected a model before dispose(), got one after it; open it again");
    this.name = "ModelDisposedError";
  }
}
