import { type Decoder, loadDecoder } from "@kvtuner/decoder";
import type { Model } from "./model.ts";
import type { Runtime } from "./runtime.ts";

/** Loads a model's weights; `signal` ends it. */
export const loadWeights = (
  { gguf }: Model,
  { backend, createSession }: Runtime,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<Decoder> =>
  loadDecoder(gguf, {
    createSession,
    deviceTensors: backend.capabilities.deviceTensors,
    onProgress: (done, total) => {
      onProgress(done, total);
      signal.throwIfAborted();
    },
  });
