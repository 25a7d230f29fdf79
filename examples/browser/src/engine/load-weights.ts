import { type Decoder, loadDecoder } from "@kvtuner/decoder";

import type { EngineListener } from "./engine.ts";
import type { Model } from "./model.ts";
import type { Runtime } from "./runtime.ts";

/** Loads a model's weights; `signal` ends it. */
export const loadWeights = (
  { gguf }: Model,
  { backend, createSession }: Runtime,
  listener: EngineListener,
  signal: AbortSignal,
): Promise<Decoder> =>
  loadDecoder(gguf, {
    createSession,
    deviceTensors: backend.capabilities.deviceTensors,
    onProgress: (done, total) => {
      void listener.onProgress("load", done, total);
      signal.throwIfAborted();
    },
  });
