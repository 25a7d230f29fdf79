import { quantizedPrefix, type LayerScheme } from "@kvtuner/plan";

/**
 * Says which tensors no token of a window is read quantized of, and how long windows must be; `undefined` when there
 * are none. A loss measured on such windows is that of a cache in 16 bits.
 */
export const unquantizedWarning = (layers: readonly LayerScheme[], windowLength: number): string | undefined => {
  const tooLong = layers.flatMap((layer) =>
    (["key", "value"] as const)
      .filter((name) => layer[name].bits < 16 && quantizedPrefix(layer[name], layer, windowLength) === 0)
      .map((name) => ({ name, needed: layer.sinks + layer.window + layer[name].blockSize })),
  );
  if (tooLong.length === 0) return undefined;
  const names = [...new Set(tooLong.map(({ name }) => `${name}s`))].join(" and ");
  const needed = Math.max(...tooLong.map((tensor) => tensor.needed));
  return (
    `${names} are not quantized anywhere in windows of ${windowLength} tokens, so the loss does not show what that costs; ` +
    `give --window-length ${needed} or more, well more for a fair measure`
  );
};
