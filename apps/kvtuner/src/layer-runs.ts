import { type CacheShape, type Hole, holeShape, holesOf, type LayerShape, spanOf, storedNumbers } from "@kvtuner/plan";

/** Neighbouring layers that attend alike and have equal sizes. Layers are counted among all that attend. */
export interface LayerRun extends Pick<LayerShape, "queryHeads" | "kvHeads" | "headSize"> {
  readonly first: number;
  readonly last: number;
  /** `shared` layers read the cache of another one. */
  readonly attention: "full" | "sliding" | "shared";
  /** Tokens that a query reads, its own included; absent if it reads all. */
  readonly span?: number;
  /** The layer that stores what a shared layer reads. */
  readonly cacheOf?: number;
  /** Bytes of one of the layers at 16 bits, at the context length; 0 for a shared one. */
  readonly bytes: number;
}

/** The layers of a model that attend, in order, with their bytes at `context` tokens. */
export const layerRuns = (shape: CacheShape, context: number): LayerRun[] => {
  const runs: LayerRun[] = [];
  const holes = holesOf(shape);
  for (const [place, hole] of holes.entries()) {
    const stored = holes.findIndex(({ layer, sharing }) => layer === hole.layer && sharing === undefined);
    const own = describeLayer(shape, hole, place, { stored, context });
    const previous = runs.at(-1);
    if (previous && isAlike(previous, own)) runs[runs.length - 1] = { ...previous, last: place };
    else runs.push(own);
  }
  return runs;
};

const describeLayer = (
  shape: CacheShape,
  hole: Hole,
  place: number,
  { stored, context }: { readonly stored: number; readonly context: number },
): LayerRun => {
  const own = holeShape(shape, hole);
  const { queryHeads, kvHeads, headSize } = own;
  const span = spanOf(own.attention);
  const isShared = hole.sharing !== undefined;
  return {
    first: place,
    last: place,
    attention: isShared ? "shared" : span === Infinity ? "full" : "sliding",
    ...(span !== Infinity && { span }),
    ...(isShared && { cacheOf: stored }),
    queryHeads,
    kvHeads,
    headSize,
    bytes: isShared ? 0 : 2 * storedNumbers({ ...own, layers: 1 }, context),
  };
};

const isAlike = (one: LayerRun, other: LayerRun): boolean =>
  JSON.stringify({ ...one, first: 0, last: 0 }) === JSON.stringify({ ...other, first: 0, last: 0 });
