import type { Asset, LayerScheme, Residency, TensorScheme } from "@kvtuner/plan";
import type { Rope } from "@kvtuner/quantizers";
import type { HeadTables } from "@kvtuner/sensitivity";
import { frequencyAssets } from "../frequency-assets.ts";
import type { LayerTables, TransformForm } from "./layer-tables.ts";

/** Tokens encoded together, so that the bits of any token fill whole bytes. */
const BLOCK_SIZE = 8;

/** A tensor of one layer with its widths. */
export interface TensorChoice {
  readonly tables: readonly HeadTables[];
  /** By KV head, bits of each channel. */
  readonly widths: readonly Uint8Array[];
}

/** Schemes of one layer and the assets that they name. */
export interface CodedLayer {
  readonly scheme: LayerScheme;
  readonly assets: readonly Asset[];
}

/** The scheme of one layer and its assets, whose names begin with that of the layer. */
export const codedLayer = (
  name: string,
  { key, value }: Pick<LayerTables, "key" | "value">,
  widths: { readonly key: readonly Uint8Array[]; readonly value: readonly Uint8Array[] },
  {
    form,
    rope,
    residency,
  }: { readonly form: TransformForm; readonly rope: Rope | undefined; readonly residency: Residency },
): CodedLayer => {
  const keyRope = form === "folded" ? undefined : rope;
  const keys = codedTensor(`${name}.key`, { tables: key, widths: widths.key }, keyRope);
  const values = codedTensor(`${name}.value`, { tables: value, widths: widths.value }, undefined);
  return {
    scheme: { key: keys.scheme, value: values.scheme, residency },
    assets: [...keys.assets, ...values.assets],
  };
};

interface CodedTensor {
  readonly scheme: TensorScheme;
  readonly assets: readonly Asset[];
}

const codedTensor = (name: string, choice: TensorChoice, rope: Rope | undefined): CodedTensor => {
  const { tables, widths } = choice;
  const size = tables[0]!.transform.mean.length;
  const kvHeads = tables.length;
  const channels = keptChannels(choice);
  const float = (field: string, shape: readonly number[], numbers: Iterable<number>): Asset => ({
    name: `${name}.${field}`,
    dtype: "float32",
    shape,
    data: Float32Array.from(numbers),
  });
  const isMatrix = tables[0]!.transform.matrices !== undefined;
  const assets: Asset[] = [
    float(
      "mean",
      [kvHeads, size],
      tables.flatMap(({ transform }) => Array.from(transform.mean)),
    ),
    float(
      "rotation",
      [kvHeads, 2, size, ...(isMatrix ? [channels] : [])],
      tables.flatMap((table) => [...rotationOf(table, channels)]),
    ),
    {
      name: `${name}.widths`,
      dtype: "uint8",
      shape: [kvHeads, channels],
      data: Uint8Array.from(widths.flatMap((own) => Array.from(own.subarray(0, channels)))),
    },
    float("scales", [kvHeads, 2, channels], scalesOf(choice, channels)),
    ...(isMatrix
      ? []
      : [
          float(
            "metric",
            [kvHeads, size, size],
            tables.flatMap(({ transform }) => [...transform.metric!]),
          ),
        ]),
    ...frequencyAssets(name, rope),
  ];
  return {
    scheme: {
      kind: "transform",
      stage: rope ? "before-rope" : "as-given",
      frequencies: rope ? `${name}.frequencies` : "none",
      pairing: rope?.pairing ?? "none",
      mean: `${name}.mean`,
      rotation: `${name}.rotation`,
      signs: "none",
      bits: widths.map((own) => own.reduce((sum, width) => sum + width, 0) / size),
      widths: `${name}.widths`,
      gain: "log4",
      levels: "gaussian",
      scales: `${name}.scales`,
      metric: isMatrix ? "none" : `${name}.metric`,
      blockSize: BLOCK_SIZE,
    },
    assets,
  };
};

/** Channels in the tables. The last ones of a matrix, which have no bits in any head, are left out of it. */
const keptChannels = ({ tables, widths }: TensorChoice): number => {
  const { matrices, mean } = tables[0]!.transform;
  if (!matrices) return mean.length;
  return Math.max(1, ...widths.map((own) => own.findLastIndex((width) => width > 0) + 1));
};

/** Forward and transposed backward matrix, or their diagonals. */
function* rotationOf({ transform: { matrices, weights } }: HeadTables, channels: number): Generator<number> {
  const { length: size } = weights;
  if (!matrices) {
    yield* weights;
    yield* weights.map((weight) => 1 / weight);
    return;
  }
  for (let i = 0; i < size; i++) yield* matrices.forward.subarray(i * size, i * size + channels);
  for (let i = 0; i < size; i++)
    for (let channel = 0; channel < channels; channel++) yield matrices.backward[channel * size + i]!;
}

/** Centres, then deviations, of each head, as fitted at the widths. */
const scalesOf = ({ tables, widths }: TensorChoice, channels: number): number[] =>
  tables.flatMap(({ fits }, head) => {
    const own = fits.slice(0, channels).map((byWidth, channel) => byWidth[widths[head]![channel]!]!);
    return [...own.map(({ centre }) => centre), ...own.map(({ deviation }) => deviation)];
  });
