import { blockTokens, isCoded, type LayerScheme, quantizedPrefix } from "@kvtuner/plan";

/**
 * Says which tensors no token of a window is read quantized of, and how long windows must be; `undefined` when there
 * are none. A loss measured on such windows is that of a float16 cache.
 */
export const unquantizedWarning = (
  layers: readonly LayerScheme[],
  windowLength: number,
  kind: "windows" | "prompts" = "windows",
): string | undefined => {
  const tooLong = layers.flatMap((layer) =>
    (["key", "value"] as const)
      .filter((name) => isCoded(layer[name]) && quantizedPrefix(layer[name], layer, windowLength) === 0)
      .map((name) => ({ name, needed: layer.residency.sinks + layer.residency.recent + blockTokens(layer[name]) })),
  );
  if (tooLong.length === 0) return undefined;
  const names = [...new Set(tooLong.map(({ name }) => `${name}s`))].join(" and ");
  const needed = Math.max(...tooLong.map((tensor) => tensor.needed));
  if (kind === "prompts")
    return (
      `${names} are not quantized anywhere in prompts of at most ${windowLength} tokens with their answers, so accuracy does not show their loss; ` +
      `use prompts of ${needed} tokens or well above, or more --shots`
    );
  return (
    `${names} are not quantized anywhere in windows of ${windowLength} tokens, so the loss does not show their effect; ` +
    `give --window-length ${needed} or more, well more for a fair measure`
  );
};
