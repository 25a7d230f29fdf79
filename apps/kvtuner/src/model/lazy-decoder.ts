import { loadDecoder, type Decoder, type GgufFile, type LoadOptions } from "@kvtuner/decoder";

import type { RunContext } from "../progress.ts";

/** A decoder that is loaded when first asked for, once, whoever asks at the same time. */
export interface LazyDecoder {
  get(): Promise<Decoder>;
  dispose(): Promise<void>;
}

/** A load that failed, or was aborted, is tried again by the next one to ask. */
export const lazyDecoder = (
  gguf: GgufFile,
  options: Omit<LoadOptions, "onProgress">,
  { progress, signal }: RunContext,
): LazyDecoder => {
  let decoder: Promise<Decoder> | undefined;
  const onProgress = (done: number, total: number): void => {
    signal?.throwIfAborted();
    progress({ step: "load", done, total });
  };
  const load = (): Promise<Decoder> => {
    const loading = loadDecoder(gguf, { ...options, onProgress });
    loading.catch(() => {
      decoder = undefined;
    });
    return loading;
  };
  return {
    get: () => (decoder ??= load()),
    dispose: async () => {
      await (await decoder?.catch(() => undefined))?.dispose();
    },
  };
};
