import { fileURLToPath } from "node:url";
import { embeddedTexts } from "@kvtuner/embedded-model";
import { EMBEDDED } from "../model/resolve.ts";

/** Path of the text for a model that comes with one, which was made for `purpose`; any other model writes its own. */
export const defaultText = (model: unknown, purpose: keyof typeof embeddedTexts): string | undefined =>
  model === EMBEDDED ? fileURLToPath(embeddedTexts[purpose]) : undefined;
