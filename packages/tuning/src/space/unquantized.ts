import { blockTokens, isCoded, type LayerScheme, quantizedPrefix } from "@kvtuner/plan";
import type { Callbacks } from "../progress.ts";

/** Warns when samples, or prompts with their answers, are too short for {@link unquantizedWarning}'s reason. */
export const warnUnquantized = (
  layers: readonly LayerScheme[],
  length: number,
  kind: "samples" | "prompts",
  { warn }: Callbacks,
): void => {
  const warning = unquantizedWarning(layers, length, kind);
  if (warning !== undefined) warn(warning);
};

/**
 * Names the tensors that are never read quantized in samples of this length, and the length that would quantize them; `undefined`
 * if there are none. A loss measured on such samples is that of a float16 cache.
 */
export const unquantizedWarning = (
  layers: readonly LayerScheme[],
  sampleLength: number,
  kind: "samples" | "prompts" = "samples",
): string | undefined => {
  const tooLong = layers.flatMap((layer) =>
    (["key", "value"] as const)
      .filter((name) => isCoded(layer[name]) && quantizedPrefix(layer[name], layer, sampleLength) === 0)
      .map((name) => ({ name, needed: layer.residency.sinks + layer.residency.recent + blockTokens(layer[name]) })),
  );
  if (tooLong.length === 0) return undefined;
  const names = [...new Set(tooLong.map(({ name }) => `${name}s`))].join(" and ");
  const needed = Math.max(...tooLong.map((tensor) => tensor.needed));
  if (kind === "prompts")
    return (
      `${names} are not quantized anywhere in prompts of at most ${sampleLength} tokens with their answers, so accuracy does not show their loss; ` +
      `use prompts of ${needed} tokens or well above, or more --shots`
    );
  return (
    `${names} are not quantized anywhere in samples of ${sampleLength} tokens, so the loss does not show their effect; ` +
    `give --sample-length ${needed} or more, well more for a fair measure`
  );
};
