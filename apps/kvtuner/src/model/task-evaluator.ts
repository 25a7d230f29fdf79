import { createTaskEvaluator, type TaskEvaluator, type TaskEvaluatorOptions } from "@kvtuner/evaluation";
import { thenDispose } from "@kvtuner/tuning";
import { openAnyCaches } from "./backend.ts";

/** A task evaluator that generates numbers on each plan's default backend, and disposes of those backends. */
export const openTaskEvaluator = async (options: Omit<TaskEvaluatorOptions, "openCache">): Promise<TaskEvaluator> => {
  const { shape } = options.decoder;
  const caches = await openAnyCaches({ threads: 1 });
  try {
    const evaluator = await createTaskEvaluator({
      ...options,
      openCache: async (plan) => caches.create({ ...plan, shape }),
    });
    return {
      ...evaluator,
      dispose: () =>
        thenDispose(
          () => evaluator.dispose(),
          () => caches.dispose(),
        ),
    };
  } catch (error) {
    return thenDispose(
      () => {
        throw error;
      },
      () => caches.dispose(),
    );
  }
};
