import type { LayerScheme, TensorScheme } from "@kvtuner/plan";

/**
 * The same layer for every cache of at most `maxTokens` tokens, with residency and blocks beyond them cut to what they
 * can matter: kernels count in 32 bits, plans do not.
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

/** A block of more tokens than there can be is never full. */
const boundedTensor = (scheme: TensorScheme, maxTokens: number): TensorScheme =>
  !("blockSize" in scheme) ? scheme : { ...scheme, blockSize: Math.min(scheme.blockSize, maxTokens + 1) };
