import { KvtunerError } from "./error.ts";
import { layerScheme, type Mode, MODES, type Pair } from "./mode.ts";
import type { Bits, LayerScheme } from "./scheme.ts";

const BITS: readonly Bits[] = [2, 3, 4, 5, 6, 8, 16];

/** A layer scheme written as `MODE:PAIR[+sinksN][+windowN]`; mode `none` is the 16-bit cache. */
export interface Shorthand {
  readonly mode: Mode | "none";
  readonly pair: Pair;
  readonly layer: LayerScheme;
}

/**
 * Reads a pair like `K8V4`; `KV4` is `K4V4`.
 *
 * @throws ShorthandError `PLAN_UNKNOWN_PAIR`
 */
export const parsePair = (text: string): Pair => {
  const match = /^(?:K(\d+)V(\d+)|KV(\d+))$/i.exec(text);
  const key = Number(match?.[1] ?? match?.[3]) as Bits;
  const value = Number(match?.[2] ?? match?.[3]) as Bits;
  if (BITS.includes(key) && BITS.includes(value)) return { key, value };
  throw new ShorthandError(
    "PLAN_UNKNOWN_PAIR",
    `expected a pair like K8V4 with bits of ${BITS.join(", ")}, got ${JSON.stringify(text)}`,
  );
};

/** Writes a pair as `K8V4`. */
export const formatPair = ({ key, value }: Pair): string => `K${key}V${value}`;

/**
 * Reads a shorthand such as `kivi:K4V2+sinks4` or `none`.
 *
 * @throws ShorthandError `PLAN_UNKNOWN_SHORTHAND`, `PLAN_UNKNOWN_PAIR`
 */
export const parseShorthand = (text: string): Shorthand => {
  const sixteen: Pair = { key: 16, value: 16 };
  if (text === "none") return { mode: "none", pair: sixteen, layer: layerScheme("per-token", sixteen) };
  const match = /^([a-z-]+):([^+]+)((?:\+[a-z]+\d+)*)$/.exec(text);
  const mode = MODES.find((known) => known === match?.[1]);
  if (!match || !mode) throw unknownShorthand(text);
  const pair = parsePair(match[2]!);
  return { mode, pair, layer: layerScheme(mode, pair, overrides(match[3]!, text)) };
};

const overrides = (suffix: string, text: string): { window?: number; sinks?: number } => {
  const found: { window?: number; sinks?: number } = {};
  for (const part of suffix.split("+").slice(1)) {
    const [, name, count] = /^([a-z]+)(\d+)$/.exec(part)!;
    if ((name !== "sinks" && name !== "window") || found[name] !== undefined || !Number.isSafeInteger(Number(count)))
      throw unknownShorthand(text);
    found[name] = Number(count);
  }
  return found;
};

const unknownShorthand = (text: string): ShorthandError =>
  new ShorthandError(
    "PLAN_UNKNOWN_SHORTHAND",
    `expected MODE:PAIR[+sinksN][+windowN] with a mode of ${MODES.join(", ")}, like kivi:K4V2+sinks4, or none; got ${JSON.stringify(text)}`,
  );

/**
 * Writes a layer scheme as shorthand, `undefined` when no mode has its layout.
 */
export const formatShorthand = (layer: LayerScheme): string | undefined => {
  const pair: Pair = { key: layer.key.bits, value: layer.value.bits };
  for (const mode of MODES) {
    const standard = layerScheme(mode, pair);
    const candidate = { ...standard, window: layer.window, sinks: layer.sinks };
    if (!sameLayer(candidate, layer)) continue;
    const sinks = layer.sinks === standard.sinks ? "" : `+sinks${layer.sinks}`;
    const window = layer.window === standard.window ? "" : `+window${layer.window}`;
    return `${mode}:${formatPair(pair)}${sinks}${window}`;
  }
  return undefined;
};

const sameLayer = (a: LayerScheme, b: LayerScheme): boolean =>
  (["key", "value"] as const).every((tensor) =>
    (Object.keys(a[tensor]) as (keyof LayerScheme["key"])[]).every((field) => a[tensor][field] === b[tensor][field]),
  );

/** Shorthand that says nothing known. */
export class ShorthandError extends KvtunerError {
  override readonly name = "ShorthandError";
}
