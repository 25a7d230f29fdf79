import { createTaskEvaluator, type TaskEvaluator, type TaskEvaluatorOptions } from "@kvtuner/evaluation";

import { BACKEND_NAMES, openBackend } from "./backend.ts";

/** A task evaluator whose numbers are generated on the default backend, which goes with it. */
export const openTaskEvaluator = async (options: Omit<TaskEvaluatorOptions, "openCache">): Promise<TaskEvaluator> => {
  const { backend, dispose } = await openBackend(BACKEND_NAMES[0] ?? "", { threads: 1 });
  const { shape } = options.decoder;
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
