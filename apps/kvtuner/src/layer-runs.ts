import {
  type CacheShape,
  type Hole,
  holeShape,
  holesOf,
  type LayerShape,
  modelLayers,
  spanOf,
  storedNumbers,
} from "@kvtuner/plan";

/** Neighbouring layers that are alike. Layers are counted among all of the model. */
export type LayerRun = AttendingRun | RecurrentRun;

/** Neighbouring layers without attention: they keep a state in place of keys and values. */
interface RecurrentRun {
  readonly first: number;
  readonly last: number;
  readonly attention: "none";
  /** What they compute, such as `short convolution`. */
  readonly kind: string;
  /** Bytes of one of the layers' states, in float32, at any context. */
  readonly stateBytes: number;
}

/** Neighbouring layers that attend alike and have equal sizes. */
interface AttendingRun extends Pick<LayerShape, "queryHeads" | "kvHeads" | "headSize"> {
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

/** The layers of a model, in order, with their bytes at `context` tokens. */
export const layerRuns = (shape: CacheShape, context: number): LayerRun[] => {
  const runs: LayerRun[] = [];
  for (const layer of [...attendingLayers(shape, context), ...recurrentLayers(shape)].toSorted(byPlace)) {
    const previous = runs.at(-1);
    if (previous && isAlike(previous, layer)) runs[runs.length - 1] = { ...previous, last: layer.last };
    else runs.push(layer);
  }
  return runs;
};

const byPlace = (one: LayerRun, other: LayerRun): number => one.first - other.first;

const attendingLayers = (shape: CacheShape, context: number): AttendingRun[] => {
  const holes = holesOf(shape);
  const places = modelLayers(shape);
  return holes.map((hole, index) => {
    const stored = holes.findIndex(({ layer, sharing }) => layer === hole.layer && sharing === undefined);
    return describeLayer(shape, hole, places[index]!, { stored: places[stored]!, context });
  });
};

const recurrentLayers = ({ recurrent = [] }: CacheShape): RecurrentRun[] =>
  recurrent.map(({ place, kind, stateBytes }) => ({ first: place, last: place, attention: "none", kind, stateBytes }));

const describeLayer = (
  shape: CacheShape,
  hole: Hole,
  place: number,
  { stored, context }: { readonly stored: number; readonly context: number },
): AttendingRun => {
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
