import { type CacheShape, layerShape, type LayerShape, layerSpan, storedNumbers } from "@kvtuner/plan";

/** Neighbouring layers that attend alike and have equal sizes. */
export interface LayerRun extends Pick<LayerShape, "queryHeads" | "kvHeads" | "headSize"> {
  /** Ordinal of the first layer, among those that have a cache. */
  readonly first: number;
  /** Ordinal of the last layer. */
  readonly last: number;
  readonly attention: "full" | "sliding";
  /** Tokens that a query of a sliding layer reads, its own included. */
  readonly span?: number;
  /** Bytes of one of the layers at 16 bits, at the context length. */
  readonly bytes: number;
}

/** The layers of a model, in order, with their bytes at `context` tokens. */
export const layerRuns = (shape: CacheShape, context: number): LayerRun[] => {
  const runs: LayerRun[] = [];
  for (let layer = 0; layer < shape.layers; layer++) {
    const own = describeLayer(layerShape(shape, layer), layer, context);
    const previous = runs.at(-1);
    if (previous && isAlike(previous, own)) runs[runs.length - 1] = { ...previous, last: layer };
    else runs.push(own);
  }
  return runs;
};

const describeLayer = (shape: LayerShape, layer: number, context: number): LayerRun => {
  const { queryHeads, kvHeads, headSize } = shape;
  const span = layerSpan(shape);
  return {
    first: layer,
    last: layer,
    ...(span === Infinity ? { attention: "full" } : { attention: "sliding", span }),
    queryHeads,
    kvHeads,
    headSize,
    bytes: 2 * storedNumbers({ ...shape, layers: 1 }, context),
  };
};

const isAlike = (one: LayerRun, other: LayerRun): boolean =>
  JSON.stringify({ ...one, first: 0, last: 0 }) === JSON.stringify({ ...other, first: 0, last: 0 });
