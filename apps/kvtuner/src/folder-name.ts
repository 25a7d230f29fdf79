import type { ModelIdentity } from "@kvtuner/plan";
import type { TunableModel } from "@kvtuner/tuning";
import { isModelName } from "./model/resolve.ts";

/** A model's name as part of a path: the short name that the user gave, or that of the model file. */
export const folderName = (named: string | TunableModel, identity: ModelIdentity): string => {
  const name = typeof named === "string" && isModelName(named) ? named : identity.name;
  return name.toLowerCase().replace(/[^\p{L}\p{M}\p{N}.]+/gu, "-");
};
