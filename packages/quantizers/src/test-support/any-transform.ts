import { fc } from "@fast-check/vitest";
import { type Asset, PLAIN_TRANSFORM, schemeFault, type SchemeOf } from "@kvtuner/plan";
import { mulberry32 } from "./hostile-numbers.ts";

type TransformScheme = SchemeOf<"transform">;

/** A scheme and the assets that it names. */
export interface TransformCase {
  readonly scheme: TransformScheme;
  readonly assets: readonly Asset[];
  readonly heads: number;
  readonly headSize: number;
}

/** The plain transform at 4 bits. */
export const PLAIN: TransformScheme = { ...PLAIN_TRANSFORM, bits: 4 };

/** Numbers of N(0, 1), by Box and Muller. */
export const normalNumbers = (random: () => number, count: number, deviation = 1): Float32Array =>
  Float32Array.from(
    { length: count },
    () => deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );

/** A random orthogonal matrix, row by row, by Gram and Schmidt in double precision. */
export const orthogonalRows = (random: () => number, size: number): Float64Array[] => {
  const rows: Float64Array[] = [];
  while (rows.length < size) {
    const row = Float64Array.from(normalNumbers(random, size));
    for (let pass = 0; pass < 2; pass++)
      for (const other of rows) {
        const along = row.reduce((sum, x, index) => sum + x * other[index]!, 0);
        for (let index = 0; index < size; index++) row[index]! -= along * other[index]!;
      }
    const length = Math.hypot(...row);
    rows.push(row.map((x) => x / length));
  }
  return rows;
};

export const asset = (name: string, shape: readonly number[], data: Float32Array | Uint8Array): Asset =>
  data instanceof Uint8Array ? { name, dtype: "uint8", shape, data } : { name, dtype: "float32", shape, data };

/** Forward and transposed backward matrices of each head: an orthogonal matrix with scaled columns, the first `channels` of it. */
export const matricesOf = (random: () => number, heads: number, headSize: number, channels: number): Float32Array => {
  const table: number[] = [];
  for (let head = 0; head < heads; head++) {
    const rows = orthogonalRows(random, headSize);
    const scales = rows.map(() => 0.5 + random());
    for (const way of [1, -1])
      for (const row of rows)
        for (let channel = 0; channel < channels; channel++) table.push(row[channel]! * scales[channel]! ** way);
  }
  return Float32Array.from(table);
};

const LEVEL_COUNT = (width: number): number => (width === 0 || width === 16 ? 0 : 2 ** width);

const caseOf = ({
  seed,
  heads,
  headSize,
  name: prefix,
  ...choice
}: {
  readonly seed: number;
  readonly heads: number;
  readonly headSize: number;
  readonly name: string;
  readonly stage: TransformScheme["stage"];
  readonly pairing: "halves" | "neighbours";
  readonly mean: boolean;
  readonly rotation: "none" | "hadamard" | "diagonal" | "matrix";
  readonly signs: TransformScheme["signs"];
  readonly bits: (typeof CHANNEL_BITS)[number] | "table";
  readonly gain: TransformScheme["gain"];
  readonly levels: boolean;
  readonly scales: boolean;
  readonly metric: boolean;
  readonly blockSize: number;
}): TransformCase => {
  const random = mulberry32(seed);
  const isBefore = choice.stage === "before-rope";
  const hasWidths = choice.bits === "table";
  const channels = hasWidths && choice.rotation === "matrix" && seed % 2 === 0 ? headSize - 3 : headSize;
  const widths = Uint8Array.from(
    { length: heads * channels },
    () => [0, 1, 2, 3, 4, 6, 8, 16][Math.floor(8 * random())]!,
  );
  const sums = Array.from({ length: heads }, (_, head) =>
    widths.subarray(head * channels, (head + 1) * channels).reduce((sum, width) => sum + width, 0),
  );
  const all = hasWidths ? [...widths] : Array.from({ length: heads * channels }, () => choice.bits as number);
  const tables: Record<string, Asset | false> = {
    frequencies:
      isBefore &&
      asset(
        `${prefix}rope`,
        [5],
        Float32Array.from({ length: 5 }, () => random()),
      ),
    mean: choice.mean && asset(`${prefix}mean`, [heads, headSize], normalNumbers(random, heads * headSize)),
    rotation:
      (choice.rotation === "diagonal" &&
        asset(`${prefix}scale`, [heads, 2, headSize], diagonals(random, heads, headSize))) ||
      (choice.rotation === "matrix" &&
        asset(`${prefix}turn`, [heads, 2, headSize, channels], matricesOf(random, heads, headSize, channels))),
    widths: hasWidths && asset(`${prefix}widths`, [heads, channels], widths),
    levels:
      choice.levels &&
      asset(`${prefix}levels`, [all.reduce((sum, width) => sum + LEVEL_COUNT(width), 0)], anyLevels(random, all)),
    scales:
      choice.scales &&
      asset(
        `${prefix}scales`,
        [heads, 2, channels],
        Float32Array.from({ length: heads * 2 * channels }, () => 0.2 + random()),
      ),
    metric: choice.metric && asset(`${prefix}metric`, [heads, channels, channels], anyMetric(random, heads, channels)),
  };
  const named = Object.entries(tables).flatMap(([field, table]) =>
    table && table.data.length > 0 ? [[field, table] as const] : [],
  );
  const scheme: TransformScheme = {
    ...PLAIN,
    stage: choice.stage,
    pairing: isBefore ? choice.pairing : "none",
    rotation: choice.rotation === "hadamard" ? "hadamard" : "none",
    signs: choice.rotation === "hadamard" ? choice.signs : "none",
    bits: choice.bits === "table" ? sums.map((sum) => sum / headSize) : choice.bits,
    gain: choice.gain,
    blockSize: choice.blockSize,
    ...Object.fromEntries(named.map(([field, { name }]) => [field, name])),
  };
  return { scheme, assets: named.map(([, table]) => table), heads, headSize };
};

const diagonals = (random: () => number, heads: number, headSize: number): Float32Array => {
  const table: number[] = [];
  for (let head = 0; head < heads; head++) {
    const factors = Array.from({ length: headSize }, () => 0.5 + random());
    table.push(...factors, ...factors.map((factor) => 1 / factor));
  }
  return Float32Array.from(table);
};

/** Symmetric positive definite: the identity and a matrix of low rank. */
const anyMetric = (random: () => number, heads: number, channels: number): Float32Array => {
  const parts = Array.from({ length: heads }, () => [0, 1, 2].map(() => normalNumbers(random, channels)));
  return Float32Array.from({ length: heads * channels * channels }, (_, index) => {
    const [head, row, column] = [
      Math.floor(index / channels ** 2),
      Math.floor(index / channels) % channels,
      index % channels,
    ];
    return parts[head]!.reduce((sum, part) => sum + part[row]! * part[column]!, row === column ? 0.5 : 0);
  });
};

const anyLevels = (random: () => number, widths: readonly number[]): Float32Array =>
  Float32Array.from(
    widths.flatMap((width) => [...normalNumbers(random, LEVEL_COUNT(width))].sort((one, other) => one - other)),
  );

const CHANNEL_BITS = [1, 2, 3, 4, 5, 6, 7, 8, 16] as const;

/** Any transform for some heads, with tables of random numbers whose names start with `name`. */
export const anyTransformOf = (heads: number, headSize: number, name = ""): fc.Arbitrary<TransformCase> =>
  fc
    .record({
      seed: fc.nat(),
      heads: fc.constant(heads),
      headSize: fc.constant(headSize),
      name: fc.constant(name),
      stage: fc.constantFrom("as-given", "before-rope"),
      pairing: fc.constantFrom("halves", "neighbours"),
      mean: fc.boolean(),
      rotation: fc.constantFrom("none", "hadamard", "diagonal", "matrix"),
      signs: fc.constantFrom("none" as const, 1, 99),
      bits: fc.oneof(fc.constantFrom(...CHANNEL_BITS), fc.constant("table" as const)),
      gain: fc.constantFrom("none", "norm16", "norm16-corrected", "log4"),
      levels: fc.boolean(),
      scales: fc.boolean(),
      metric: fc.boolean(),
      blockSize: fc.constantFrom(1, 1, 3),
    })
    .map(caseOf)
    .filter(({ scheme }) => !schemeFault(scheme, { kvHeads: heads, headSize }));

/** The same for 1 to 3 heads of 16 or 24 numbers. */
export const anyTransform: fc.Arbitrary<TransformCase> = fc
  .tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(16, 24))
  .chain(([heads, headSize]) => anyTransformOf(heads, headSize));
