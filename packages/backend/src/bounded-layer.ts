import type { LayerScheme, TensorScheme } from "@kvtuner/plan";

/**
 * An equivalent layer for caches of at most `maxTokens` tokens: larger residencies and blocks are cut to what has an effect.
 * Kernels count in 32 bits, plans do not.
 */
export const boundedLayer = (layer: LayerScheme, maxTokens: number): LayerScheme => ({
  ...layer,
  residency: {
    ...layer.residency,
    sinks: Math.min(layer.residency.sinks, maxTokens),
    recent: Math.min(layer.residency.recent, maxTokens),
  },
  key: boundedTensor(layer.key, maxTokens),
  value: boundedTensor(layer.value, maxTokens),
});

/** A block larger than the cache never fills up. */
const boundedTensor = (scheme: TensorScheme, maxTokens: number): TensorScheme =>
  !("blockSize" in scheme) ? scheme : { ...scheme, blockSize: Math.min(scheme.blockSize, maxTokens + 1) };
