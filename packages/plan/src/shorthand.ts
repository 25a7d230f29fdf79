import { bitsOf, completeScheme } from "./codecs/registry.ts";
import { KvtunerError } from "./error.ts";
import { layerScheme, MIXES, type ModeMix, MODES, type Pair, PAIR_BITS, type ResidencyOverrides } from "./mode.ts";
import type { LayerScheme } from "./scheme.ts";

/**
 * A layer scheme written as `MODE:PAIR[+sinksN][+recentN]`, where `MODE` can be `KEYS/VALUES`, two modes; mode `none` is the 16-bit
 * cache.
 */
export interface Shorthand {
  readonly mode: ModeMix | "none";
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
  const key = pairBits(match?.[1] ?? match?.[3]);
  const value = pairBits(match?.[2] ?? match?.[3]);
  if (key && value) return { key, value };
  throw new ShorthandError(
    "PLAN_UNKNOWN_PAIR",
    `expected a pair like K8V4 with bits of ${PAIR_BITS.join(", ")}, got ${JSON.stringify(text)}`,
  );
};

const pairBits = (digits: string | undefined): Pair["key"] | undefined =>
  PAIR_BITS.find((bits) => bits === Number(digits));

/** Bits of a layer's keys and values, which label its pair. */
export const pairOf = ({ key, value }: LayerScheme): { readonly key: number; readonly value: number } => ({
  key: bitsOf(key),
  value: bitsOf(value),
});

/** Writes a pair as `K8V4`; means of bits that differ by channel with at most two decimals, such as `K1.2V2.05`. */
export const formatPair = ({ key, value }: { readonly key: number; readonly value: number }): string =>
  `K${twoDecimals(key)}V${twoDecimals(value)}`;

const twoDecimals = (bits: number): number => Math.round(bits * 100) / 100;

/**
 * Reads a shorthand such as `kivi:K4V2+sinks4` or `none`.
 *
 * @throws ShorthandError `PLAN_UNKNOWN_SHORTHAND`, `PLAN_UNKNOWN_PAIR`
 */
export const parseShorthand = (text: string): Shorthand => {
  const sixteen: Pair = { key: 16, value: 16 };
  if (text === "none") return { mode: "none", pair: sixteen, layer: layerScheme("per-token", sixteen) };
  const match = /^([a-z/-]+):([^+]+)((?:\+[a-z]+\d+)*)$/.exec(text);
  const mode = [...MODES, ...MIXES].find((known) => known === match?.[1]);
  if (!match || !mode) throw unknownShorthand(text);
  const pair = parsePair(match[2]!);
  return { mode, pair, layer: layerScheme(mode, pair, overrides(match[3]!, text)) };
};

const overrides = (suffix: string, text: string): ResidencyOverrides => {
  const found: { sinks?: number; recent?: number } = {};
  for (const part of suffix.split("+").slice(1)) {
    const [, name, count] = /^([a-z]+)(\d+)$/.exec(part)!;
    if (name === "window") throw renamedSuffix(count!, text);
    if ((name !== "sinks" && name !== "recent") || found[name] !== undefined || !Number.isSafeInteger(Number(count)))
      throw unknownShorthand(text);
    found[name] = Number(count);
  }
  return found;
};

const renamedSuffix = (count: string, text: string): ShorthandError =>
  new ShorthandError(
    "PLAN_UNKNOWN_SHORTHAND",
    `expected +recent${count} for the newest tokens kept in 16 bits, got +window${count} in ${JSON.stringify(text)}; write +recent${count}`,
  );

const unknownShorthand = (text: string): ShorthandError =>
  new ShorthandError(
    "PLAN_UNKNOWN_SHORTHAND",
    `expected MODE:PAIR[+sinksN][+recentN] with a mode of ${MODES.join(", ")}, like kivi:K4V2+sinks4, a mix of keys and values like kivi/compact:K4V2, or none; got ${JSON.stringify(text)}`,
  );

/** Writes a layer scheme as shorthand, of one mode where it can; `undefined` when no two modes have its layout. */
export const formatShorthand = (layer: LayerScheme): string | undefined => {
  const pair = pairOf(layer) as Pair;
  const matching = (modes: readonly ModeMix[]): { readonly mode: ModeMix; readonly standard: LayerScheme }[] =>
    modes
      .map((mode) => ({ mode, standard: layerScheme(mode, pair) }))
      .filter(({ standard }) => sameTensors(standard, layer));
  const ofOne = matching(MODES);
  const matches = ofOne.length > 0 ? ofOne : matching(MIXES);
  const nearest = matches.find(({ standard }) => suffixOf(standard, layer) === "") ?? matches[0];
  return nearest && `${nearest.mode}:${formatPair(pair)}${suffixOf(nearest.standard, layer)}`;
};

const suffixOf = ({ residency: standard }: LayerScheme, { residency }: LayerScheme): string =>
  (["sinks", "recent"] as const)
    .filter((name) => residency[name] !== standard[name])
    .map((name) => `+${name}${residency[name]}`)
    .join("");

const sameTensors = (a: LayerScheme, b: LayerScheme): boolean =>
  (["key", "value"] as const).every((tensor) => {
    const [one, other]: Record<string, unknown>[] = [
      { ...completeScheme(a[tensor]) },
      { ...completeScheme(b[tensor]) },
    ];
    return Object.keys({ ...one, ...other }).every((field) => one![field] === other![field]);
  });

/** A shorthand with an unknown form, mode or pair. */
export class ShorthandError extends KvtunerError {
  override readonly name = "ShorthandError";
}
