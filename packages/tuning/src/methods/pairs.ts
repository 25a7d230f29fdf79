import { formatPair, layerScheme, parsePair, type Mode } from "@kvtuner/plan";
import { uniformSetting, type StaticSetting } from "./method.ts";

/** Pairs that the KVTuner paper compares: K and V of 8, 4 and 2 bits, with no fewer bits for keys than for values. */
export const PAPER_PAIRS = ["K8V8", "K8V4", "K4V4", "K4V2", "K2V2"] as const;

/** Pairs of a mode, each in every layer. */
export const pairSettings = (mode: Mode, pairs: readonly string[]): StaticSetting[] =>
  pairs.map((text) => {
    const pair = parsePair(text);
    return uniformSetting(formatPair(pair), layerScheme(mode, pair));
  });
