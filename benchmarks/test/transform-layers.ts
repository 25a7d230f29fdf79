import { type Asset, layerScheme, PLAIN_TRANSFORM, type SchemeOf, type TensorScheme } from "@kvtuner/plan";

export const KV_HEADS = 2;
export const HEAD_SIZE = 32;

const table = (name: string, shape: readonly number[], numberAt: (index: number) => number): Asset => ({
  name,
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, at) => numberAt(at)),
});

/** Without a period in the sizes below. */
const wave = (at: number): number => Math.sin(1 + 0.7 * at) + Math.sin(0.37 * at);

const WIDTHS: Asset = {
  name: "widths",
  dtype: "uint8",
  shape: [KV_HEADS, HEAD_SIZE],
  data: Uint8Array.from({ length: KV_HEADS * HEAD_SIZE }, (_, at) => [4, 0, 3, 2, 6, 1, 5, 8, 7, 16, 0][at % 11]!),
};

const DIAGONAL = table("diagonal", [KV_HEADS, 2, HEAD_SIZE], (at) => {
  const factor = 1 + 0.25 * wave(Math.floor(at / (2 * HEAD_SIZE)) * HEAD_SIZE + (at % HEAD_SIZE));
  return Math.floor(at / HEAD_SIZE) % 2 ? 1 / factor : factor;
});

/** Reflections `x - 2 v (v x)`, which are their own inverses. */
const REFLECTIONS = table("reflections", [KV_HEADS, 2, HEAD_SIZE, HEAD_SIZE], (at) => {
  const head = Math.floor(at / (2 * HEAD_SIZE ** 2));
  const [row, column] = [Math.floor(at / HEAD_SIZE) % HEAD_SIZE, at % HEAD_SIZE];
  const direction = Array.from({ length: HEAD_SIZE }, (_, index) => wave(index * (head + 1)));
  const square = direction.reduce((sum, number) => sum + number ** 2, 0);
  return Number(row === column) - (2 * direction[row]! * direction[column]!) / square;
});

export const TRANSFORM_ASSETS: readonly Asset[] = [
  table("mean", [KV_HEADS, HEAD_SIZE], (at) => 2 * wave(3 * at)),
  WIDTHS,
  table("scales", [KV_HEADS, 2, HEAD_SIZE], (at) =>
    Math.floor(at / HEAD_SIZE) % 2 ? 0.8 + 0.2 * wave(at) : 0.2 * wave(at),
  ),
  DIAGONAL,
  REFLECTIONS,
  table("turns", [HEAD_SIZE / 2 - 2], (pair) => 10_000 ** (-pair / (HEAD_SIZE / 2))),
];

const FOLDED: SchemeOf<"transform"> = {
  ...PLAIN_TRANSFORM,
  bits: Array.from({ length: KV_HEADS }, (_, head) => {
    const own = WIDTHS.data.subarray(head * HEAD_SIZE, (head + 1) * HEAD_SIZE);
    return own.reduce((sum, width) => sum + width, 0) / HEAD_SIZE;
  }),
  mean: "mean",
  rotation: "reflections",
  widths: "widths",
  gain: "log4",
  scales: "scales",
  blockSize: 8,
};
const BEFORE: SchemeOf<"transform"> = {
  ...FOLDED,
  stage: "before-rope",
  frequencies: "turns",
  pairing: "halves",
  rotation: "diagonal",
};

/** Keys and values of a layer each: all forms, and transform coding beside affine codes. */
export const TRANSFORM_LAYERS: readonly { readonly key: TensorScheme; readonly value: TensorScheme }[] = [
  { key: BEFORE, value: FOLDED },
  { key: FOLDED, value: { ...FOLDED, rotation: "diagonal", gain: "norm16" } },
  {
    key: { ...BEFORE, pairing: "neighbours", rotation: "reflections", gain: "norm16-corrected" },
    value: { ...FOLDED, rotation: "hadamard", signs: 5, gain: "none" },
  },
  { key: { ...FOLDED, rotation: "diagonal" }, value: layerScheme("per-token", { key: 4, value: 4 }).value },
  { key: layerScheme("kivi", { key: 4, value: 4 }).key, value: FOLDED },
];
