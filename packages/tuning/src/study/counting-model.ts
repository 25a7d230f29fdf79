import type { TunableModel } from "../tunable-model.ts";

/** A model, and the forward passes that its traces and gradients took, over all samples of each call. */
export interface CountingModel {
  readonly model: TunableModel;
  readonly passes: () => number;
}

/**
 * Counts a trace as a pass over its sample, and gradients as `estimatePasses` does: forward, the same again for the activations, and
 * backward as much for each draw. Tables read all samples in turn, so passes over one sample count as its share of `samples`.
 *
 * @param samples number of samples that the passes are counted over
 */
export const countingModel = (model: TunableModel, samples: number): CountingModel => {
  let passes = 0;
  const { gradients } = model;
  return {
    passes: () => passes,
    model: {
      ...model,
      trace: async (...given) => {
        passes += 1 / samples;
        await model.trace(...given);
      },
      ...(gradients && {
        gradients: async (texts, options, visit) => {
          passes += ((2 + options.draws) * texts.length) / samples;
          await gradients.call(model, texts, options, visit);
        },
      }),
    },
  };
};
