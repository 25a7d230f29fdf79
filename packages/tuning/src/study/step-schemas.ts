import { z } from "zod";
import { groupsSchema } from "../pipeline/group.ts";
import { frontSchema } from "../pipeline/pick.ts";
import { profileSchema } from "../pipeline/profile.ts";
import { candidatesSchema } from "../pipeline/prune.ts";
import type { Stored } from "../storage/storage.ts";
import { spaceOf, type StudySettings } from "./settings.ts";

/** Schemas of the records that a later run reads again, in a study of these settings. */
export const stepSchemas = (settings: StudySettings) => {
  const { context, samples, sampleLength } = settings;
  const space = spaceOf(settings, context);
  return {
    calibration: z.object({
      samples: z.array(z.array(z.int32().min(0)).length(sampleLength)).length(samples),
    }),
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
