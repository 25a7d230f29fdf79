import {
  type Backend,
  type CacheImage,
  type CachePlan,
  type CacheStore,
  type Capabilities,
  defineBackend,
  type SchemeFamily,
} from "@kvtuner/backend";
import { attentionOf, cacheBytes, FLOAT16, layerShape, layerSpan, sharingShape, type TensorBytes } from "@kvtuner/plan";
import {
  attendRow,
  cellBytes,
  type Cells,
  cellsFrom,
  decodedCells,
  drop,
  exactCells,
  headImages,
  settle,
} from "./cells.ts";

/** Affine codes of 4 and 8 bits on axis token. */
const AFFINE: SchemeFamily = {
  kind: "affine",
  bits: [4, 8],
  formats: ["affine"],
  axis: "token",
  groupSizes: ["head", 32],
  transforms: ["none"],
};

/** `createCache` rejects everything else. */
const CAPABILITIES: Capabilities = {
  key: [FLOAT16, AFFINE],
  value: [FLOAT16, AFFINE],
  headSizes: "any",
  maxCacheBytes: 2 ** 32,
  maxTokens: 2 ** 20,
  deviceTensors: false,
  unevenLayers: true,
  attention: { sliding: true, softcap: true, sinkLogits: true, sharedCaches: true },
};

/** Makes the backend, which holds only its caches. Tests pass lower limits. */
export const createExampleBackend = (limits: Partial<Capabilities> = {}): Backend =>
  defineBackend({ name: "example", capabilities: { ...CAPABILITIES, ...limits }, createStore });

/** Keys and values of one layer. */
interface Layer {
  readonly key: Cells;
  readonly value: Cells;
}

const emptyLayers = ({ layers }: CachePlan): Layer[] => layers.map(() => ({ key: [], value: [] }));

const restoredLayers = ({ shape, layers }: CachePlan, { length, tensors }: CacheImage): Layer[] =>
  layers.map((scheme, index) => {
    const own = layerShape(shape, index);
    return {
      key: cellsFrom(tensors[index]!.key, length, own, scheme.key, scheme),
      value: cellsFrom(tensors[index]!.value, length, own, scheme.value, scheme),
    };
  });

/** The storage of one cache. */
const createStore = (firstPlan: CachePlan, image?: CacheImage): CacheStore => {
  const { shape } = firstPlan;
  let plan = firstPlan;
  let layers = image ? restoredLayers(plan, image) : emptyLayers(plan);
  /** What each token that sharing layers have yet to read found in the cache, by layer. */
  const unread = new Map<number, Layer[]>();
  const isShared = (layer: number): boolean => shape.sharing?.some(({ cacheOf }) => cacheOf === layer) === true;
  const settleLayer = (index: number): void => {
    const scheme = plan.layers[index]!;
    settle(layers[index]!.key, scheme.key, scheme);
    settle(layers[index]!.value, scheme.value, scheme);
  };
  const dropUnread = (index: number): void => {
    const [scheme, span] = [plan.layers[index]!, layerSpan(layerShape(shape, index))];
    drop(layers[index]!.key, scheme.key, scheme, span);
    drop(layers[index]!.value, scheme.value, scheme, span);
  };

  return {
    lengths: () => layers.map(({ key }) => key.length),
    bytes() {
      const bytesOf = (kind: "key" | "value"): TensorBytes => cellBytes(layers.flatMap((layer) => layer[kind]));
      return cacheBytes(bytesOf("key"), bytesOf("value"));
    },
    attend(layer, { tokens, query, key, value }) {
      const held = layers[layer]!;
      const own = layerShape(shape, layer);
      const spec = attentionOf(shape, layer);
      const output = new Float32Array(query.length);
      for (let token = 0; token < tokens; token++) {
        const [queries, keys, values] = [query, key, value].map((rows) => rowAt(rows, token, tokens));
        held.key.push(exactCells(keys!, own));
        held.value.push(exactCells(values!, own));
        settleLayer(layer); // tokens that are no longer recent are read from codes by this query already
        output.set(attendRow(own, spec, queries!, held.key, held.value), token * queries!.length);
        if (isShared(layer)) unread.set(layer, [...(unread.get(layer) ?? []), copyOf(held)]);
        dropUnread(layer);
      }
      return output;
    },
    read(sharing, { tokens, query, isLast }) {
      const { cacheOf } = shape.sharing![sharing]!;
      const own = sharingShape(shape, sharing);
      const output = new Float32Array(query.length);
      for (const [token, { key, value }] of unread.get(cacheOf)!.entries()) {
        const queries = rowAt(query, token, tokens);
        output.set(attendRow(own, own.attention, queries, key, value), token * queries.length);
      }
      if (isLast) unread.delete(cacheOf);
      return output;
    },
    truncate(length) {
      unread.clear();
      for (const [index, { key, value }] of layers.entries()) {
        key.length = length;
        value.length = length;
        settleLayer(index);
      }
    },
    retune(next) {
      plan = next;
      layers = layers.map(({ key, value }) => ({ key: decodedCells(key), value: decodedCells(value) }));
      for (const index of layers.keys()) {
        settleLayer(index);
        dropUnread(index);
      }
    },
    images: () =>
      layers.map(({ key, value }, index) => {
        const [own, scheme] = [layerShape(shape, index), plan.layers[index]!];
        return { key: headImages(key, own, scheme.key), value: headImages(value, own, scheme.value) };
      }),
    clear() {
      layers = [];
    },
  };
};

const copyOf = ({ key, value }: Layer): Layer => ({ key: [...key], value: [...value] });

const rowAt = (rows: Float32Array, row: number, count: number): Float32Array =>
  rows.subarray((row * rows.length) / count, ((row + 1) * rows.length) / count);
