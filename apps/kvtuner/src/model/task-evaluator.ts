import type { CachePlan } from "@kvtuner/backend";
import { createTaskEvaluator, type TaskEvaluator, type TaskEvaluatorOptions } from "@kvtuner/evaluation";
import { parseShorthand, type CacheShape } from "@kvtuner/plan";

import { openBackend } from "./backend.ts";

/** A task evaluator whose numbers are generated on the default backend, which goes with it. */
export const openTaskEvaluator = async (options: Omit<TaskEvaluatorOptions, "openCache">): Promise<TaskEvaluator> => {
  const { shape } = options.decoder;
  const { backend, dispose } = await openBackend("auto", { threads: 1 }, exactCache(shape));
  try {
    const evaluator = await createTaskEvaluator({
      ...options,
      openCache: async (layers) => backend.createCache(shape, { layers, shape }),
    });
    return {
      ...evaluator,
      dispose: async () => {
        await evaluator.dispose();
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
};

/** Plans differ; every one of them keeps some tokens exact. */
const exactCache = (shape: CacheShape): CachePlan => ({
  shape,
  layers: Array.from({ length: shape.layers }, () => parseShorthand("none").layer),
});
