import { blockFormatScheme, cachePlaces, type CacheShape, layerBytes, layerShape } from "@kvtuner/plan";
import { additiveFrontTable } from "@kvtuner/search";
import type { ChannelRanges } from "./channel-ranges.ts";
import { coded, type Runtime, type RuntimeSetting, type SettingContext, UNQUANTIZED } from "./runtime.ts";

const SCOPES = ["tensor", "channel"] as const;

type Scope = (typeof SCOPES)[number];

/** Scales that map the largest calibrated number to the largest code. */
const scalesOf = (ranges: Float32Array, bits: 4 | 8, scope: Scope): number[] => {
  const largest = scope === "channel" ? [...ranges] : [ranges.reduce((most, range) => Math.max(most, range), 0)];
  return largest.map((range) => (range > 0 ? range / (2 ** (bits - 1) - 1) : 1));
};

const layerOf = (bits: 4 | 8, scope: Scope, { key, value }: ChannelRanges) => {
  const scheme = (ranges: Float32Array) =>
    blockFormatScheme(`ort-int${bits}`, { scales: scalesOf(ranges, bits, scope) });
  return coded(scheme(key), scheme(value));
};

/**
 * GroupQueryAttention's caches: int8 or int4, the same for keys and values of a layer, with one static scale per tensor or per
 * channel. Each node, so each layer, has its own.
 */
export const onnxruntime: Runtime = {
  name: "onnxruntime",
  source: "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md",
  needsRanges: true,
  limits: "heads of any size",
  settings: ({ ranges, shape }) =>
    ([8, 4] as const).flatMap((bits) =>
      SCOPES.map((scope): RuntimeSetting => {
        const name = nodeOf(bits, scope);
        return {
          label: name,
          layers: ranges.map((range) => layerOf(bits, scope, range)),
          paste: nodeMap(
            shape,
            ranges.map(() => name),
          ),
        };
      }),
    ),
  mixed: (settings, losses, context) => mixedMaps(settings, losses, context),
};

const nodeOf = (bits: number, scope: Scope): string => `int${bits} per ${scope}`;

/** Attributes of each layer's GroupQueryAttention node, in JSON. */
export const nodeMap = (shape: CacheShape, names: readonly string[]): string => {
  const lines = names.map((name, layer) => {
    const [, bits, scope] = /^int(\d) per (\w+)$/.exec(name) ?? [];
    const type = scope === undefined ? "NONE" : `PER_${scope.toUpperCase()}`;
    const width = bits === undefined ? "" : `, "kv_cache_bit_width": ${bits}`;
    return `  "${cachePlaces(shape)[layer]}": { "k_quant_type": "${type}", "v_quant_type": "${type}"${width} }`;
  });
  return `{\n${lines.join(",\n")}\n}`;
};

/** Mixed maps to try, over the range of sizes. */
const MIXED_MAPS = 8;

/** Maps of least estimated loss at several sizes, with any setting or 16 bits in each layer. */
const mixedMaps = (
  settings: readonly RuntimeSetting[],
  losses: readonly (readonly number[])[],
  { shape }: SettingContext,
): RuntimeSetting[] => {
  const choices = [...settings, { label: "float", layers: settings[0]!.layers.map(() => UNQUANTIZED), paste: "" }];
  const bytesOf = (layer: number, choice: number): number =>
    layerBytes(choices[choice]!.layers[layer]!, layerShape(shape, layer), MIXED_CONTEXT).total;
  const byLayer = <Value>(value: (layer: number, choice: number) => Value): Value[][] =>
    Array.from({ length: shape.layers }, (_, layer) => choices.map((__, choice) => value(layer, choice)));
  const front = additiveFrontTable({
    costs: byLayer(bytesOf),
    losses: byLayer((layer, choice) => Math.max(0, losses[choice]?.[layer] ?? 0)),
  });
  const places = Array.from({ length: MIXED_MAPS }, (_, place) =>
    Math.round(((place + 0.5) * (front.size - 1)) / MIXED_MAPS),
  );
  return [...new Set(places)].map((place) => mapOf(choices, front.genome(place), shape));
};

/** Tokens at which sizes are compared. Sizes grow in proportion to tokens, so any number does. */
const MIXED_CONTEXT = 4096;

const mapOf = (choices: readonly RuntimeSetting[], genome: readonly number[], shape: CacheShape): RuntimeSetting => {
  const names = genome.map((choice) => choices[choice]!.label);
  const counts = choices
    .map(({ label }) => ({ label, count: names.filter((name) => name === label).length }))
    .filter(({ count }) => count > 0);
  return {
    label: counts.map(({ label, count }) => `${count} x ${label}`).join(", "),
    layers: genome.map((choice, layer) => choices[choice]!.layers[layer]!),
    paste: nodeMap(shape, names),
  };
};
