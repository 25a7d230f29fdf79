import { type Asset, type LayerScheme, type LayerShape, tensorShape } from "@kvtuner/plan";
import { type TablePlace, transformFormat } from "./transform-format.ts";
import { tensorTables } from "./transform-tables.ts";

/** Tables of a layer: of keys, then of values, each if they are of the codec `transform`. */
export interface LayerTables {
  readonly key: TablePlace;
  readonly value: TablePlace;
  readonly words: Uint32Array<ArrayBuffer>;
}

export const layerTables = (
  shape: LayerShape,
  scheme: LayerScheme,
  assets: readonly Asset[] | undefined,
): LayerTables => {
  const [key, ofKeys] = tablesOf(shape, scheme, assets, "key", 0);
  const [value, ofValues] = tablesOf(shape, scheme, assets, "value", ofKeys.length);
  const words = new Uint32Array(ofKeys.length + ofValues.length);
  words.set(ofKeys);
  words.set(ofValues, ofKeys.length);
  return { key, value, words };
};

const tablesOf = (
  shape: LayerShape,
  scheme: LayerScheme,
  assets: readonly Asset[] | undefined,
  kind: "key" | "value",
  tablesStart: number,
): readonly [TablePlace, Uint32Array<ArrayBuffer>] => {
  const transform = transformFormat(scheme[kind], assets, tensorShape(shape, kind));
  if (!transform) return [{ transform, tablesStart, headWords: 0 }, new Uint32Array(0)];
  const { words, headWords } = tensorTables(transform, tablesStart, scheme.residency.sinks);
  return [{ transform, tablesStart, headWords }, words];
};
