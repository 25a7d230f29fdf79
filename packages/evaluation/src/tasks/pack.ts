import type { Decoder, RowPositions } from "@kvtuner/decoder";
import type { SampleAttention, SampleTensors } from "../sample-attention.ts";
import type { TreeAttention } from "../tree-run.ts";

/** Sequences concatenated for one pass through the segments. Each attends only to itself. */
export interface Pack<Item extends { readonly ids: Int32Array }> {
  readonly items: readonly Item[];
  /** First row of each item. */
  readonly starts: readonly number[];
  readonly ids: Int32Array;
}

/** Combines neighbours up to a number of tokens; a longer one stays alone. */
export const packed = <Item extends { readonly ids: Int32Array }>(
  items: readonly Item[],
  tokens: number,
): Pack<Item>[] => groupedBySize(items, (item) => item.ids.length, tokens).map(pack);

/** Cuts a list so that the sizes of a piece add up to at most `limit`. */
export const groupedBySize = <Item>(
  items: readonly Item[],
  sizeOf: (item: Item) => number,
  limit: number,
): Item[][] => {
  const groups: Item[][] = [];
  let size = Infinity;
  for (const item of items) {
    size += sizeOf(item);
    if (size > limit) {
      groups.push([]);
      size = sizeOf(item);
    }
    groups.at(-1)?.push(item);
  }
  return groups;
};

const pack = <Item extends { readonly ids: Int32Array }>(items: readonly Item[]): Pack<Item> => {
  const starts: number[] = [];
  let length = 0;
  for (const { ids } of items) {
    starts.push(length);
    length += ids.length;
  }
  const ids = new Int32Array(length);
  for (const [index, item] of items.entries()) ids.set(item.ids, starts[index]);
  return { items, starts, ids };
};

/** RoPE tables of a pack's rows: every item starts at position 0. */
export const packPositions = (decoder: Decoder, { items }: Pack<{ readonly ids: Int32Array }>): RowPositions =>
  decoder.positions(items.flatMap(({ ids }) => Array.from(ids, (_, position) => position)));

/** Attention within each of a pack's items. */
export const packAttention = (
  attention: SampleAttention,
  packs: readonly Pack<{ readonly ids: Int32Array }>[],
): TreeAttention => ({
  layer: (layer, tensors, index) => {
    const { starts, ids } = packs[index]!;
    const parts = starts.map((start, item) =>
      attention.layer(layer, rowsOf(tensors, start / ids.length, (starts[item + 1] ?? ids.length) / ids.length)),
    );
    return async (scheme, output) => {
      const width = output.length / ids.length;
      for (const [item, part] of parts.entries())
        await part(scheme, output.subarray(starts[item]! * width, (starts[item + 1] ?? ids.length) * width));
    };
  },
});

/** Rows from the share `from` of all rows to the share `to`; both fall on whole rows. */
const rowsOf = ({ query, key, value }: SampleTensors, from: number, to: number): SampleTensors => {
  const part = (rows: Float32Array): Float32Array =>
    rows.subarray(Math.round(from * rows.length), Math.round(to * rows.length));
  return { query: part(query), key: part(key), value: part(value) };
};
