import { z } from "zod";
import type { StudySettings } from "./settings.ts";

/** Steps whose file is read again by a later run. */
export type StepName = "calibration" | "profile" | "candidates" | "groups" | "front";

/** What each step's file holds in a study of these settings. Members that no step reads are not looked at. */
export const stepSchemas = (settings: StudySettings): Record<StepName, z.ZodType> => {
  const { shape, pairs, samples, sampleLength } = settings;
  const layer = z
    .int()
    .min(0)
    .max(shape.layers - 1);
  const pair = z
    .int()
    .min(0)
    .max(pairs.length - 1);
  return {
    calibration: z.object({
      samples: z.array(z.array(z.int32().min(0)).length(sampleLength)).length(samples),
    }),
    profile: z.object({
      layers: z.array(z.object({ layer, candidates: z.array(candidate).length(pairs.length) })).length(shape.layers),
    }),
    candidates: z.object({ candidates: z.array(z.array(pair).min(1)).length(shape.layers) }),
    groups: z.object({ groups: z.array(z.array(layer).min(1)).min(1) }),
    front: z.object({
      front: z.array(z.object({ ...plan, pairs: z.array(z.enum(pairs)).length(shape.layers) })),
      evaluations: z.int().min(0),
      hypervolume: z.number(),
    }),
  };
};

const heads = z.array(z.number());

const candidate = z.object({
  id: z.string(),
  bits: z.number(),
  errors: z.object({ key: heads, value: heads, attention: heads, output: heads }),
  kl: z.number(),
});

const plan = {
  bytes: z.number(),
  bits: z.number(),
  equivalentBits: z.number(),
  bytesPerToken: z.number(),
  kl: z.number(),
  klStandardError: z.number(),
  task: z
    .object({
      accuracy: z.number(),
      accuracyStandardError: z.number(),
      floatAccuracy: z.number(),
      pValue: z.number(),
      prompts: z.int().min(1),
      isComplete: z.boolean(),
    })
    .optional(),
};
