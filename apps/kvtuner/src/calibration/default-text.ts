import { fileURLToPath } from "node:url";
import { embeddedTexts } from "@kvtuner/embedded-model";
import { EMBEDDED } from "../model/resolve.ts";

/** Path of the bundled text for `purpose`, if the model comes with one; other models write their own. */
export const defaultText = (model: unknown, purpose: keyof typeof embeddedTexts): string | undefined =>
  model === EMBEDDED ? fileURLToPath(embeddedTexts[purpose]) : undefined;
