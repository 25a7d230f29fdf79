import { type BlockFormatName, blockFormatScheme } from "@kvtuner/plan";
import { coded, everywhere, pairsOf, type Runtime, type RuntimeSetting, type SettingContext } from "./runtime.ts";

/**
 * The newest tokens are exact until 128 of them are quantized together, so 64 of them on average. With blocks of 64 tokens, as many
 * beyond the last block as these.
 */
const RECENT = 32;

const AXES = [0, -1] as const;

const quanto = (nbits: 2 | 4, axis: number): BlockFormatName =>
  axis === 0 ? `quanto${nbits}` : `quanto${nbits}-channel`;

const setting = (
  { shape }: SettingContext,
  label: string,
  [key, value]: readonly [BlockFormatName, BlockFormatName],
  config: Readonly<Record<string, string | number>>,
): RuntimeSetting => ({
  label,
  layers: everywhere(shape, coded(blockFormatScheme(key), blockFormatScheme(value), RECENT)),
  paste: `model.generate(..., cache_implementation="quantized", cache_config=${JSON.stringify(config)})`,
});

/** `QuantizedCache`: the same bits for keys and values of all layers. HQQ only on axis 1, which its authors recommend. */
export const transformers: Runtime = {
  name: "transformers",
  source: "https://huggingface.co/docs/transformers/kv_cache",
  limits: "heads of which 64 tokens fill groups of 64 numbers",
  settings: (context) => [
    ...([4, 2] as const).flatMap((nbits) =>
      pairsOf<0 | -1>(AXES).map(([key, value]) =>
        setting(context, `quanto int${nbits}, axes ${key}/${value}`, [quanto(nbits, key), quanto(nbits, value)], {
          backend: "quanto",
          nbits,
          axis_key: key,
          axis_value: value,
        }),
      ),
    ),
    setting(context, "HQQ int4", ["hqq4", "hqq4"], { backend: "hqq", nbits: 4, axis_key: 1, axis_value: 1 }),
  ],
};
