export type { Axis, Bits, CacheShape, Format, GroupSize, LayerScheme, TensorScheme, Transform } from "./scheme.ts";
export type { Measurement, ModelIdentity, Plan } from "./plan.ts";
export { quantizedPrefix } from "./prefix.ts";
export { KvtunerError } from "./error.ts";
