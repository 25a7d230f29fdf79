export type { Asset, SchemeAssets } from "./asset.ts";
export { assetBytes } from "./asset.ts";
export { assertAssetsFit, AssetError, assetsOf } from "./scheme-assets.ts";
export type { AttentionSpec } from "./attention.ts";
export { defaultScale, plainAttention, scoreOf, spanOf } from "./attention.ts";
export type { AffineScheme, Axis, Bits, Format, GroupSize, ParameterForm, Transform } from "./codecs/affine.ts";
export { CODE_BITS } from "./codecs/affine.ts";
export type { BlockFormatScheme } from "./codecs/block-format.ts";
export { blockFormatScheme, blockGroup } from "./codecs/block-format.ts";
export type { BlockFormatName } from "./codecs/block-formats.ts";
export { BLOCK_FORMATS } from "./codecs/block-formats.ts";
export type { CodecFormat, FieldValues, Heads, Part } from "./codecs/codec-format.ts";
export { literalsOf } from "./codecs/codec-format.ts";
export { LOG_GAIN_BITS, PLAIN_TRANSFORM, tokenBits } from "./codecs/transform-scheme.ts";
export type { Float16Scheme } from "./codecs/float16.ts";
export { FLOAT16 } from "./codecs/float16.ts";
export type { CodecKind, SchemeOf, TensorScheme } from "./codecs/registry.ts";
export {
  bitsOf,
  blockTokens,
  completeScheme,
  FORMATS,
  isCoded,
  layoutOf,
  partBytes,
  schemeFault,
  schemeLabel,
  schemeOfHead,
} from "./codecs/registry.ts";
export type { CacheShape, LayerScheme, LayerShape, RecurrentLayer, Residency, SharingLayer } from "./scheme.ts";
export {
  attentionOf,
  layerShape,
  layerShapes,
  layerSpan,
  shapeDifferences,
  sharingShape,
  sizesOf,
  tensorShape,
} from "./shape.ts";
export type { Measurement, ModelIdentity, Plan } from "./plan.ts";
export { ByteSizeError, formatBytes, parseBytes } from "./format-bytes.ts";
export type { CacheBytes, PlanSize, TensorBytes } from "./bytes.ts";
export {
  cacheBytes,
  equivalentBits,
  heldBytes,
  layerBytes,
  planBytes,
  planSize,
  storedNumbers,
  sumBytes,
  trueBits,
} from "./bytes.ts";
export type { Hole } from "./hole.ts";
export { holeShape, holesOf } from "./hole.ts";
export { cachePlaces, modelLayers, stateBytes } from "./recurrent.ts";
export { KvtunerError } from "./error.ts";
export type { Mode, Pair } from "./mode.ts";
export { layerScheme, MODES, PAIR_BITS } from "./mode.ts";
export { assertHeadFits, modesFor } from "./head-fit.ts";
export type { HeldTokens } from "./held.ts";
export { firstHeld, heldTokens } from "./held.ts";
export { quantizedPrefix } from "./prefix.ts";
export { segmentsOf } from "./segments.ts";
export type { Segment } from "./segments.ts";
export { formatPair, formatShorthand, pairOf, parsePair, parseShorthand, ShorthandError } from "./shorthand.ts";
export { uniformPlan, uniformSizes } from "./uniform-plan.ts";
export type { UniformSize } from "./uniform-plan.ts";
