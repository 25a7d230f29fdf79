import { gaussianLevels, type Rope } from "@kvtuner/quantizers";
import { type HeadTables, headTables } from "@kvtuner/sensitivity";
import { atPositions, beforeRope } from "../before-rope.ts";
import type { HeadRows, LayerRows } from "./cache-samples.ts";

/**
 * How keys are coded. `channels`: before RoPE, each channel by itself; a reader rotates them. `full`: before RoPE, after a
 * Karhunen-Loève transform; a reader multiplies each key by a matrix and rotates it. `folded`: after RoPE, after such a transform, which
 * folds into the query. Values always have one, which folds into the output.
 */
export type TransformForm = "channels" | "full" | "folded";

/** Tables of one layer by KV head. */
export interface LayerTables {
  readonly layer: number;
  readonly key: readonly HeadTables[];
  readonly value: readonly HeadTables[];
}

/** What tables depend on beside the rows. */
export interface TableOptions {
  readonly form: TransformForm;
  /** Undefined for a layer without RoPE. */
  readonly rope: Rope | undefined;
  /** Keys after RoPE are calibrated at positions below this one. */
  readonly context: number;
}

/** Computes the tables of a layer. */
export const layerTables = ({ layer, key, value }: LayerRows, { form, rope, context }: TableOptions): LayerTables => {
  const keyForm = form === "channels" ? "channels" : "karhunen-loeve";
  const moved = (head: HeadRows): HeadRows => {
    if (!rope) return head;
    return form === "folded" ? atPositions(head, rope, (row) => spreadPosition(row, context)) : beforeRope(head, rope);
  };
  return {
    layer,
    key: key.map((head) => headTables(moved(head), keyForm, LEVELS)),
    value: value.map((head) => headTables(head, "karhunen-loeve", LEVELS)),
  };
};

/** Levels of each width from 1 bit. */
const LEVELS = Array.from({ length: 8 }, (_, index) => gaussianLevels(index + 1));

/** The golden ratio spreads any number of rows evenly, and unlike any period of text or of RoPE. */
const spreadPosition = (row: number, context: number): number =>
  Math.floor(((((row + 1) * (Math.sqrt(5) - 1)) / 2) % 1) * context);
