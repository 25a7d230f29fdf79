import type { HalfProfile } from "@kvtuner/sensitivity";
import { halvesOf } from "../../space/halves.ts";
import type { SearchSpace } from "../../space/space.ts";
import type { ProfileEntry } from "../profile-entry.ts";
import { bitsPerNumber, meanErrorsOf, type PlanLosses, type StoredProfile } from "../profile.ts";
import { traceErrors, tracesErrors } from "../trace.ts";
import { estimateLayers, type EstimateInputs } from "./estimate-layers.ts";
import { choiceLosses, halfLosses, type HalfLosses } from "./half-losses.ts";
import { measureDoubtful } from "./measure-doubtful.ts";

/** Estimates every choice at every layer from gradients, and measures those whose estimates cannot be trusted. */
export const gradientProfileStep = async (inputs: EstimateInputs, losses: PlanLosses): Promise<StoredProfile> => {
  const isTraced = tracesErrors(inputs.space);
  await estimateLayers({ ...inputs, tracesErrors: isTraced });
  // The pass appends errors as well; some are missing only if their lines were damaged.
  if (isTraced) await traceErrors({ ...inputs, samples: inputs.texts.map(({ ids }) => ids) });
  await measureDoubtful(inputs, losses);
  return assemble(inputs.space, inputs.journal.entries);
};

const assemble = (space: SearchSpace, entries: readonly ProfileEntry[]): StoredProfile => {
  const halves = halfLosses(space, entries);
  const losses = choiceLosses(space, halves);
  return {
    version: 1,
    shape: space.shape,
    contextLength: space.context,
    layers: halves.map((own, layer) => {
      const estimated = entries.find((entry) => entry.kind === "gradient" && entry.layer === layer);
      return {
        layer,
        candidates: space.choices.map(({ id }, choice) => ({
          id,
          bits: bitsPerNumber(space, layer, choice),
          errors: meanErrorsOf(entries, layer, choice),
          estimate: losses[layer]![choice]!,
        })),
        halves: halfProfiles(space, own),
        ...(estimated?.kind === "gradient" && { additivity: estimated.additivity }),
      };
    }),
  };
};

const halfProfiles = (space: SearchSpace, losses: readonly HalfLosses[]): HalfProfile[] =>
  halvesOf(space).halves.map(({ id }, index) => {
    const { kl, ...estimate } = losses[index]!;
    return { id, ...estimate, ...(kl !== undefined && { kl }) };
  });
