import { z } from "zod";
import { groupsSchema } from "../pipeline/group.ts";
import { frontSchema } from "../pipeline/pick.ts";
import { profileSchema } from "../pipeline/profile.ts";
import { candidatesSchema } from "../pipeline/prune.ts";
import type { Coding } from "../space/mixed-space.ts";
import type { Stored } from "../storage/storage.ts";
import { spaceOf, type StudySettings } from "./settings.ts";

const tokens = z.array(z.int32().min(0));

/** Schemas of the records that a later run reads again, in a study of these settings, and of settings of methods. */
export const stepSchemas = (settings: StudySettings, codings: readonly Coding[]) => {
  const { context, samples, sampleLength } = settings;
  const space = spaceOf(settings, context, codings);
  return {
    calibration: z.object({
      samples: z.array(tokens.length(sampleLength)).length(samples),
      /** Samples that tables are fitted to; absent where it is those above: with a task, and in older studies. */
      fitted: z.array(tokens).min(1).optional(),
    }),
    /** The settings of methods that are searched, with digests of their layers and tables. */
    codecs: z.object({ settings: z.array(z.object({ name: z.string(), digest: z.string() })) }),
    /** What fitting their tables took, in forward passes over the samples that are fitted to, of all runs so far. */
    fitting: z.object({ passes: z.number().nonnegative() }),
    profile: profileSchema(space),
    candidates: candidatesSchema(space),
    groups: groupsSchema(space),
    front: frontSchema(space),
  };
};

type StepSchemas = ReturnType<typeof stepSchemas>;

/** Steps whose record is read again by a later run. */
export type StepName = keyof StepSchemas;

/** What each step's record holds. */
export type StepRecords = { readonly [Name in StepName]: Stored<StepSchemas[Name]> };
