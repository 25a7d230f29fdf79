import {
  assertAlive,
  assertAppend,
  assertCoarser,
  assertFiniteTensors,
  assertFits,
  assertPlanSupported,
  assertTruncate,
  attendTokens,
  type Backend,
  type CachePlan,
  type Capabilities,
  evenLength,
  type KvCache,
  readSnapshot,
  type SchemeFamily,
  writeSnapshot,
} from "@kvtuner/backend";
import { cacheBytes, type CacheShape, layerBytes, planBytes, type TensorBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { attendRow, cellBytes, type Cells, cellsFrom, decodedCells, exactCells, headImages, settle } from "./cells.ts";

/** 4 and 8 bits on axis token, and 16. `assertPlanSupported` refuses all else. */
const FAMILY: SchemeFamily = {
  bits: [4, 8, 16],
  formats: ["affine"],
  axis: "token",
  groupSizes: ["head", 32],
  transforms: ["none"],
};

const CAPABILITIES: Capabilities = {
  key: [FAMILY],
  value: [FAMILY],
  headSizes: "any",
  maxCacheBytes: 2 ** 32,
  maxTokens: 2 ** 20,
  deviceTensors: false,
};

/** Keys and values of one layer. */
interface Layer {
  readonly key: Cells;
  readonly value: Cells;
}

/** What a cache asks of its backend. */
interface Owner {
  readonly capabilities: Capabilities;
  assertUsable(): void;
  assertSupported(shape: CacheShape, plan: CachePlan): void;
}

/** Makes the backend; it holds nothing but its caches. Lower limits are for tests. */
export const createExampleBackend = (limits: Partial<Capabilities> = {}): Backend => {
  const capabilities = { ...CAPABILITIES, ...limits };
  let disposed = false;
  const owner: Owner = {
    capabilities,
    assertUsable: () => assertAlive(disposed, "backend"),
    assertSupported: (shape, plan) => {
      owner.assertUsable();
      assertPlanSupported("example", capabilities, shape, plan);
    },
  };
  return {
    specVersion: 1,
    name: "example",
    capabilities,
    createCache: async (shape, plan) => {
      owner.assertSupported(shape, plan);
      return cacheOf(
        owner,
        plan,
        plan.layers.map(() => ({ key: [], value: [] })),
      );
    },
    restoreCache: async (shape, plan, snapshot) => {
      owner.assertSupported(shape, plan);
      return cacheOf(owner, plan, await restoredLayers(shape, plan, snapshot, capabilities));
    },
    dispose: async () => {
      disposed = true;
    },
  };
};

const restoredLayers = async (
  shape: CacheShape,
  plan: CachePlan,
  snapshot: Uint8Array,
  limits: Capabilities,
): Promise<Layer[]> => {
  const { length, tensors } = await readSnapshot(snapshot, shape, plan);
  assertFits(length, planBytes(plan, length).total, limits);
  return plan.layers.map((scheme, index) => ({
    key: cellsFrom(tensors[index]!.key, length, shape.headSize, scheme.key, scheme),
    value: cellsFrom(tensors[index]!.value, length, shape.headSize, scheme.value, scheme),
  }));
};

/** A cache over layers, which it owns. Every call checks first, and changes the layers when nothing can fail any more. */
const cacheOf = (owner: Owner, firstPlan: CachePlan, firstLayers: readonly Layer[]): KvCache => {
  const { shape } = firstPlan;
  let [plan, layers, disposed] = [firstPlan, firstLayers, false];
  const lengths = (): number[] => layers.map(({ key }) => key.length);
  const assertUsable = (): void => {
    assertAlive(disposed, "cache");
    owner.assertUsable();
  };
  const settleLayer = (index: number): void => {
    const scheme = plan.layers[index]!;
    settle(layers[index]!.key, scheme.key, scheme);
    settle(layers[index]!.value, scheme.value, scheme);
  };
  const assertRoom = (layer: number, tokens: number): void => {
    const bytesAfter = plan.layers
      .map((scheme, index) => layerBytes(scheme, shape, lengths()[index]! + (index === layer ? tokens : 0)).total)
      .reduce((a, b) => a + b);
    assertAppend({ layer, tokens, lengths: lengths(), bytesAfter }, owner.capabilities);
  };

  return {
    shape,
    get length() {
      assertUsable();
      return lengths().at(-1)!;
    },
    bytes() {
      assertUsable();
      const bytesOf = (kind: "key" | "value"): TensorBytes => cellBytes(layers.flatMap((layer) => layer[kind]));
      return cacheBytes(bytesOf("key"), bytesOf("value"));
    },
    async attend(layer, query, key, value) {
      assertUsable();
      const tokens = attendTokens(shape, layer, query, key, value);
      const rows = [query, key, value].map(({ data }) => data as Float32Array);
      const destination = { layer, scheme: plan.layers[layer]!, headSize: shape.headSize };
      assertFiniteTensors(destination, rows[0]!, rows[1]!, rows[2]!);
      assertRoom(layer, tokens);
      const held = layers[layer]!;
      const output = new Float32Array(rows[0]!.length);
      for (let token = 0; token < tokens; token++) {
        const [queries, keys, values] = rows.map((all) => rowAt(all, token, tokens));
        held.key.push(exactCells(keys!, shape));
        held.value.push(exactCells(values!, shape));
        settleLayer(layer); // what leaves the window is read from codes by this query already
        output.set(attendRow(shape, queries!, held.key, held.value), token * queries!.length);
      }
      return new Tensor("float32", output, query.dims);
    },
    truncate(length) {
      assertUsable();
      assertTruncate(lengths().at(-1)!, length);
      assertFits(length, planBytes(plan, length).total, owner.capabilities);
      for (const [index, { key, value }] of layers.entries()) {
        key.length = length;
        value.length = length;
        settleLayer(index);
      }
    },
    async retune(next) {
      assertUsable();
      owner.assertSupported(shape, next);
      assertCoarser(plan, next, evenLength(lengths()));
      plan = next;
      layers = layers.map(({ key, value }) => ({ key: decodedCells(key), value: decodedCells(value) }));
      for (const index of layers.keys()) settleLayer(index);
    },
    async snapshot() {
      assertUsable();
      const tensors = layers.map(({ key, value }) => ({
        key: headImages(key, shape.kvHeads),
        value: headImages(value, shape.kvHeads),
      }));
      return writeSnapshot({ shape, layers: plan.layers, length: evenLength(lengths()), tensors });
    },
    async dispose() {
      disposed = true;
      layers = [];
    },
  };
};

const rowAt = (rows: Float32Array, row: number, count: number): Float32Array =>
  rows.subarray((row * rows.length) / count, ((row + 1) * rows.length) / count);
