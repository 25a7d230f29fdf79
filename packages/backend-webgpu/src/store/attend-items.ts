import { spanOf } from "@kvtuner/plan";
import { TILE_TOKENS } from "../kernels/tile.ts";
import { type Block, eachBlock } from "./blocks.ts";
import type { Reader } from "./reader.ts";
import { packedTokens } from "./tensor-format.ts";

/** Forms of the tokens that a dispatch reads. */
interface Forms {
  readonly isKeyExact: boolean;
  readonly isValueExact: boolean;
  readonly isSinks: boolean;
}

/** Tiles that one dispatch attends to. Keys are codes of one block or exact rows, and so are values. */
export interface AttendItem extends Forms {
  /** The codes' block; undefined when both are exact. */
  readonly block: Block | undefined;
  readonly firstTile: number;
  readonly endTile: number;
}

const SINKS: Forms = { isKeyExact: true, isValueExact: true, isSinks: true };

/**
 * Tiles that a reader's queries at `position .. position + tokens - 1` read, whose tokens the layer then holds: one item for each
 * combination of codes and exact rows. Kernels mask what a single query must not see. Items with codes of values come
 * first.
 */
export const attendItems = (reader: Reader, position: number, tokens: number): AttendItem[] => {
  const end = position + tokens;
  const items: AttendItem[] = [];
  for (const isValueExact of [false, true])
    for (const isKeyExact of [false, true])
      for (const item of itemsOf(reader, position, end, { isKeyExact, isValueExact, isSinks: false })) items.push(item);
  const [from] = visibleRange(reader, SINKS, position + 1);
  const [, to] = visibleRange(reader, SINKS, end);
  if (from < to) items.push({ ...SINKS, block: undefined, ...tilesOf(from, to) });
  return items;
};

const itemsOf = (reader: Reader, position: number, end: number, forms: Forms): AttendItem[] => {
  const { key, value } = reader.stored;
  // After the sinks, blocks hold all tokens of a 16-bit tensor.
  if ((forms.isKeyExact && !key.format.isCoded) || (forms.isValueExact && !value.format.isCoded)) return [];
  const [from] = visibleRange(reader, forms, position + 1);
  const [, to] = visibleRange(reader, forms, end);
  if (from >= to) return [];
  if (forms.isKeyExact && forms.isValueExact) return [{ ...forms, block: undefined, ...tilesOf(from, to) }];
  const items: AttendItem[] = [];
  eachBlock(reader.stored, from, to, (block, start, stop) => items.push({ ...forms, block, ...tilesOf(start, stop) }));
  return items;
};

/**
 * Tokens that a query reads in these forms, `[from, to)`: counted after the sinks, or from the first sink.
 *
 * @param length number of tokens up to the query's own
 */
export const visibleRange = (
  { stored: { key, value, scheme }, spec }: Reader,
  { isKeyExact, isValueExact, isSinks }: Forms,
  length: number,
): [from: number, to: number] => {
  const { residency } = scheme;
  const firstRead = Math.max(0, length - spanOf(spec));
  if (isSinks) return [firstRead, Math.min(residency.sinks, length)];
  const behind = Math.max(0, length - residency.sinks);
  const [keys, values] = [packedTokens(key.format, length), packedTokens(value.format, length)];
  return [
    Math.max(isKeyExact ? keys : 0, isValueExact ? values : 0, firstRead - residency.sinks),
    Math.min(isKeyExact ? behind : keys, isValueExact ? behind : values),
  ];
};

const tilesOf = (from: number, to: number): Pick<AttendItem, "firstTile" | "endTile"> => ({
  firstTile: Math.floor(from / TILE_TOKENS),
  endTile: Math.ceil(to / TILE_TOKENS),
});
