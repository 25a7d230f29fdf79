import { cutWindows } from "@kvtuner/evaluation";

import type { TunableModel } from "../model/tunable-model.ts";
import { CALIBRATION_PROMPTS } from "./prompts.ts";
import type { WindowOptions } from "./windows.ts";

const SHORTEST_SEGMENT = 128;

/** What {@link ownText} needs. */
export interface OwnTextOptions extends WindowOptions {
  readonly seed: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The model's own continuations of {@link CALIBRATION_PROMPTS}, one after the other, cut into windows: text of the
 * kind its cache will hold, with nothing to fetch. Seeded.
 */
export const ownText = async (model: TunableModel, options: OwnTextOptions): Promise<Int32Array[]> => {
  const { windows, windowLength, seed, onProgress } = options;
  const total = windows * windowLength;
  const tokens = Math.max(Math.min(SHORTEST_SEGMENT, total), Math.ceil(total / CALIBRATION_PROMPTS.length));
  const prompts = CALIBRATION_PROMPTS.slice(0, Math.ceil(total / tokens));
  const segments = await model.continuations(prompts, { tokens, seed, ...(onProgress && { onProgress }) });
  return cutWindows(Int32Array.from(segments.flatMap((segment) => [...segment])), windowLength, windows);
};
