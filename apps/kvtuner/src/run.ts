import { fillOptions } from "@kvtuner/tuning";
import { GENERATION_OPTIONS, type GenerationOptions, type RunnerOptions } from "./options.ts";
import { openRunner, type RunResult } from "./run/runner.ts";

/** Options of {@link run}. */
export interface RunOptions extends RunnerOptions, GenerationOptions {}

/**
 * Generates one text with a model whose cache is stored as a plan says. For several on one cache, as in a conversation,
 * see {@link openRunner}.
 *
 * @throws KvtunerError for bad options, models, plans and prompts
 */
export const run = async (options: RunOptions): Promise<RunResult> => {
  // A mistake should not cost the opening of a model.
  fillOptions(GENERATION_OPTIONS, options);
  const runner = await openRunner(options);
  try {
    return await runner.generate(options);
  } finally {
    await runner.dispose();
  }
};
