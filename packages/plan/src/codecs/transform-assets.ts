import type { Asset, SchemeAssets } from "../asset.ts";
import type { Heads } from "./codec-format.ts";
import { areInverse } from "./inverse-tables.ts";
import { ropeAssetFault } from "./rope-fields.ts";
import type { TransformScheme } from "./transform-scheme.ts";

/** What is wrong with the tables of a transform scheme, of all KV heads; continues "expected layer 3 ...". */
export const transformAssetFault = (scheme: TransformScheme, heads: Heads, assets: SchemeAssets): string | undefined =>
  ropeAssetFault(assets["frequencies"], heads) ??
  shapeFault(scheme, heads, assets) ??
  Object.entries(assets)
    .map(([field, asset]) => numberFault(field, asset))
    .find((fault) => fault !== undefined) ??
  rotationFault(heads, assets["rotation"]) ??
  widthsFault(scheme, heads, assets) ??
  levelsFault(scheme, heads, assets) ??
  metricFault(assets["metric"]);

/** Numbers of `z`, as the tables have them. */
const channelsOf = ({ headSize }: Heads, { rotation, widths, scales }: SchemeAssets): number =>
  rotation?.shape.length === 4 ? rotation.shape[3]! : (widths?.shape[1] ?? scales?.shape[2] ?? headSize);

const shapeFault = (scheme: TransformScheme, heads: Heads, assets: SchemeAssets): string | undefined => {
  const { kvHeads, headSize } = heads;
  const channels = channelsOf(heads, assets);
  const isDiagonal = assets["rotation"]?.shape.length === 3;
  const wanted: Readonly<Record<string, readonly number[]>> = {
    mean: [kvHeads, headSize],
    rotation: isDiagonal ? [kvHeads, 2, headSize] : [kvHeads, 2, headSize, channels],
    widths: [kvHeads, channels],
    scales: [kvHeads, 2, channels],
    metric: [kvHeads, channels, channels],
  };
  for (const [field, asset] of Object.entries(assets)) {
    const dtype = field === "widths" ? "uint8" : "float32";
    const shape = wanted[field] ?? [asset.data.length];
    if (asset.dtype !== dtype || asset.shape.join() !== shape.join())
      return `to have a table of ${field} ${dtype} [${shape.join(", ")}], got ${asset.dtype} [${asset.shape.join(", ")}] in asset ${asset.name}`;
  }
  const hasMatrix = assets["rotation"] !== undefined && !isDiagonal;
  if (channels !== headSize && (!hasMatrix || channels > headSize || scheme.widths === "equal"))
    return `to have tables of ${headSize} channels, got ${channels}; only a table of rotation with a table of widths may have fewer`;
  return undefined;
};

/** Keeps products of two tables and a float16 number within float32. */
const LARGEST = 2 ** 40;

const numberFault = (field: string, { name, data }: Asset): string | undefined => {
  const at = (data as Float32Array).findIndex((number) => !(Math.abs(number) <= LARGEST));
  return at < 0 ? undefined : `to have ${field} of magnitude up to 2^40, got ${data[at]} at ${at} of asset ${name}`;
};

const rotationFault = ({ kvHeads, headSize }: Heads, rotation: Asset | undefined): string | undefined => {
  if (!rotation) return undefined;
  const data = rotation.data as Float32Array;
  const isMatrix = rotation.shape.length === 4;
  const channels = isMatrix ? rotation.shape[3]! : 1;
  // A diagonal is a matrix of one number for each channel.
  const size = isMatrix ? headSize * channels : 1;
  const perWay = isMatrix ? 1 : headSize;
  for (let matrix = 0; matrix < kvHeads * perWay; matrix++) {
    const head = Math.floor(matrix / perWay);
    const start = (2 * head * perWay + (matrix % perWay)) * size;
    const forward = data.subarray(start, start + size);
    const backward = data.subarray(start + perWay * size, start + (perWay + 1) * size);
    if (!areInverse({ forward, backward, channels }))
      return `to have rotations whose ways forward and back undo each other, got others at KV head ${head} in asset ${rotation.name}`;
  }
  return undefined;
};

const widthsFault = (
  { bits }: TransformScheme,
  { kvHeads, headSize }: Heads,
  { widths }: SchemeAssets,
): string | undefined => {
  if (!widths || typeof bits === "number") return undefined;
  const unknown = (widths.data as Uint8Array).find((width) => width > 8 && width !== 16);
  if (unknown !== undefined) return `to have widths of 0 to 8 or 16 bits, got ${unknown} in asset ${widths.name}`;
  const channels = widths.shape[1]!;
  for (let head = 0; head < kvHeads; head++) {
    const own = widths.data.subarray(head * channels, (head + 1) * channels) as Uint8Array;
    const total = own.reduce((sum, width) => sum + width, 0);
    const stated = Math.round((bits.length === 1 ? bits[0]! : bits[head]!) * headSize);
    if (total !== stated)
      return `to have widths that add up to ${stated} bits at KV head ${head}, got ${total} in asset ${widths.name}`;
  }
  return undefined;
};

const levelsFault = ({ bits }: TransformScheme, heads: Heads, assets: SchemeAssets): string | undefined => {
  const { levels, widths, scales } = assets;
  const channels = channelsOf(heads, assets);
  const deviations = scales?.data.filter((_, index) => Math.floor(index / channels) % 2 === 1) as Float32Array;
  const negative = deviations?.find((deviation) => deviation < 0);
  if (negative !== undefined) return `to have deviations from 0, got ${negative} in asset ${scales!.name}`;
  if (!levels) return undefined;
  const all = Array.from({ length: heads.kvHeads * channels }, (_, index) =>
    typeof bits === "number" ? bits : widths!.data[index]!,
  );
  const counts = all.map((width) => (width === 0 || width === 16 ? 0 : 2 ** width));
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (levels.data.length !== total) return `to have ${total} levels, got ${levels.data.length} in asset ${levels.name}`;
  let start = 0;
  for (const count of counts) {
    const own = levels.data.subarray(start, (start += count));
    if (own.some((level, index) => index > 0 && level < own[index - 1]!))
      return `to have ascending levels in each channel, got others in asset ${levels.name}`;
  }
  return undefined;
};

const metricFault = (metric: Asset | undefined): string | undefined => {
  if (!metric) return undefined;
  const channels = metric.shape[1]!;
  const costs = metric.data.filter((_, index) => Math.floor(index / channels) % channels === index % channels);
  const wrong = (costs as Float32Array).find((cost) => !(cost >= LEAST_COST));
  return wrong === undefined
    ? undefined
    : `to have a metric of at least 2^-40 on its diagonal, got ${wrong} in asset ${metric.name}`;
};

const LEAST_COST = 2 ** -40;
