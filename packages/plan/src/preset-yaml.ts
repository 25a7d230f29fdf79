import { parse, stringify } from "yaml";
import { z } from "zod";
import { bitsOf } from "./codecs/registry.ts";
import { KvtunerError } from "./error.ts";
import { layerScheme, type Mode, PAIR_BITS } from "./mode.ts";
import type { ModelIdentity, Plan } from "./plan.ts";
import type { CacheShape } from "./scheme.ts";

const bits = z.literal([...PAIR_BITS]);
const preset = z.record(z.string().regex(/^\d+$/), z.strictObject({ nbits_key: bits, nbits_value: bits }));

/** What a preset file does not contain. */
export interface PresetContext {
  readonly model: ModelIdentity;
  /** The preset's layers replace `layers`. */
  readonly shape: Omit<CacheShape, "layers">;
  /** The mode; it is part of the preset's file name. */
  readonly mode: Mode;
}

/**
 * Reads one of the paper's presets: a YAML map from layer to `nbits_key` and `nbits_value`
 * (github.com/cmd2001/KVTuner, calibration_presets).
 *
 * @throws PresetError `PRESET_INVALID`
 */
export const importPresetYaml = (text: string, { model, shape, mode }: PresetContext): Plan => {
  const entries = Object.entries(readPreset(text)).map(([layer, pair]) => [Number(layer), pair] as const);
  entries.sort(([a], [b]) => a - b);
  if (entries.length === 0 || entries.some(([layer], index) => layer !== index))
    throw new PresetError(
      `expected layers 0, 1, 2, ... without a gap, got [${entries.map(([layer]) => layer).join(", ")}]`,
    );
  return {
    version: 2,
    model,
    shape: { layers: entries.length, ...shape },
    layers: entries.map(([, pair]) => layerScheme(mode, { key: pair.nbits_key, value: pair.nbits_value })),
  };
};

/** Writes the pairs of a plan as a preset, and drops everything else. */
export const exportPresetYaml = (plan: Pick<Plan, "layers">): string =>
  stringify(
    Object.fromEntries(
      plan.layers.map(({ key, value }, layer) => [layer, { nbits_key: bitsOf(key), nbits_value: bitsOf(value) }]),
    ),
  );

const readPreset = (text: string): z.infer<typeof preset> => {
  let data: unknown;
  try {
    data = parse(text);
  } catch (cause) {
    throw new PresetError(`expected a preset in YAML: ${String(cause)}`, { cause });
  }
  const result = preset.safeParse(data);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new PresetError(
    `expected a map from layer to nbits_key and nbits_value; at ${issue.path.join(".") || "the top"}: ${issue.message}`,
  );
};

/** A preset that cannot be read. */
export class PresetError extends KvtunerError {
  override readonly name = "PresetError";

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("PRESET_INVALID", message, options);
  }
}
