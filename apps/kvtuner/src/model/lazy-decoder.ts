import type { Decoder } from "@kvtuner/decoder";
import { KvtunerError } from "@kvtuner/plan";
import type { Callbacks } from "@kvtuner/tuning";

/** A decoder loaded on first use, once even for concurrent callers. */
export interface LazyDecoder {
  get(): Promise<Decoder>;
  /** Releases the decoder. A load in progress stops between two segments. */
  dispose(): Promise<void>;
}

/** Called after each step of a load, and before the first. */
type OnLoadProgress = (done: number, total: number, note?: string) => void;

/** After a load that failed or was aborted, the next caller loads again. */
export const lazyDecoder = (
  load: (onProgress: OnLoadProgress) => Promise<Decoder>,
  { progress, signal }: Callbacks,
): LazyDecoder => {
  let decoder: Promise<Decoder> | undefined;
  let disposed = false;
  const onProgress: OnLoadProgress = (done, total, note) => {
    signal?.throwIfAborted();
    assertInUse(disposed);
    progress({ step: "load", done, total, ...(note !== undefined && { note }) });
  };
  const loaded = async (): Promise<Decoder> => {
    assertInUse(disposed);
    try {
      return await load(onProgress);
    } catch (error) {
      decoder = undefined;
      throw error;
    }
  };
  return {
    get: async () => (decoder ??= loaded()),
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
