import type { CachePlan, CallRows } from "@kvtuner/backend";
import { type LayerScheme, layerShape, type LayerShape, type TensorScheme } from "@kvtuner/plan";
import { CudaError } from "../cuda-error.ts";
import type { DeviceDescription } from "../device/device.ts";
import { CudaStore } from "./cuda-store.ts";
import { syntheticImage } from "./synthetic-image.ts";
import { runsOnTensorCores } from "./tensor-core-layouts.ts";
import { layoutOf } from "./tensor-layout.ts";
import type { Workspace } from "./workspace.ts";

/** Two pages of codes, and part of a third if groups of tokens are small enough. */
const LENGTH = 300;
const KV_HEADS = 2;
const HEADS_PER_GROUP = 8;

/** Relative to the largest output. Correct kernels differ by less than a tenth of this; a misplaced number by more. */
const TOLERANCE = 1e-4;

/**
 * A workspace that runs attention on tensor cores. Before a cache uses a format of keys and values at a head size, that
 * combination is compared once with the float32 kernels on the same device; `assertPlan` throws a CudaError
 * `CUDA_TENSOR_CORES_WRONG` on a difference.
 */
export const withTensorCores = (plain: Workspace): Workspace => {
  const passed = new Set<string>();
  const workspace: Workspace = {
    ...plain,
    tensorCores: true,
    assertPlan: ({ shape, layers }) => {
      for (const [index, scheme] of layers.entries()) {
        if (scheme.key.kind === "transform" || scheme.value.kind === "transform") continue;
        const { headSize, valueSize = headSize } = layerShape(shape, index);
        const sizes = { headSize, valueSize };
        const layer = codedThroughout(scheme);
        const name = JSON.stringify([sizes, layer]);
        if (!passed.has(name)) assertAgreement(plain, sizes, layer);
        passed.add(name);
      }
    },
  };
  return workspace;
};

/** The same formats with as many codes as possible; residency and blocks only select which tokens are codes. */
const codedThroughout = ({ key, value }: LayerScheme): LayerScheme => ({
  key: withSmallBlocks(key),
  value: withSmallBlocks(value),
  residency: { kind: "prefix", sinks: 0, recent: 0 },
});

const withSmallBlocks = (scheme: TensorScheme): TensorScheme =>
  scheme.kind === "affine"
    ? { ...scheme, blockSize: scheme.axis === "channel" ? (scheme.groupSize as number) : 1 }
    : scheme;

/** Sizes of a head. */
type HeadSizes = Required<Pick<LayerShape, "headSize" | "valueSize">>;

const assertAgreement = (plain: Workspace, sizes: HeadSizes, layer: LayerScheme): void => {
  const shape = { layers: 1, queryHeads: KV_HEADS * HEADS_PER_GROUP, kvHeads: KV_HEADS, ...sizes };
  if (!runsOnTensorCores(layoutOf(layer, "key", shape), layoutOf(layer, "value", shape), HEADS_PER_GROUP)) return;
  const plan = { shape, layers: [layer] };
  const outputs = [plain, { ...plain, tensorCores: true }].map((workspace) => outputOf(workspace, plan));
  const difference = relativeDifference(outputs[0]!, outputs[1]!);
  if (!(difference <= TOLERANCE)) throw wrong(plain.device.description, layer, sizes, difference);
};

const outputOf = (workspace: Workspace, plan: CachePlan): Float32Array => {
  const store = CudaStore.restore(workspace, plan, syntheticImage(plan, LENGTH));
  try {
    return store.attend(0, callOf(plan));
  } finally {
    store.clear();
  }
};

const callOf = ({ shape: { queryHeads, kvHeads, headSize, valueSize = headSize } }: CachePlan): CallRows => {
  const wave = (length: number, step: number): Float32Array =>
    Float32Array.from({ length }, (_, index) => Math.sin(step * index));
  return {
    tokens: 1,
    query: wave(queryHeads * headSize, 1.7),
    key: wave(kvHeads * headSize, 1.1),
    value: wave(kvHeads * valueSize, 0.7),
  };
};

/** NaN if any number of either is NaN. */
const relativeDifference = (expected: Float32Array, got: Float32Array): number => {
  let [largest, difference] = [0, 0];
  for (const [index, number] of expected.entries()) {
    largest = Math.max(largest, Math.abs(number));
    difference = Math.max(difference, Math.abs(number - got[index]!));
  }
  return difference / largest;
};

const wrong = (
  { name, architecture }: DeviceDescription,
  { key, value }: LayerScheme,
  { headSize, valueSize }: HeadSizes,
  difference: number,
): CudaError =>
  new CudaError(
    "CUDA_TENSOR_CORES_WRONG",
    `expected tensor cores to match float32 within ${TOLERANCE} of the largest output, got a difference on ${name} (${architecture}) of ${difference.toPrecision(2)} at head size ${headSize}, value size ${valueSize}, keys ${JSON.stringify(key)}, values ${JSON.stringify(value)}; create the backend without tensorCores, and report this`,
  );
