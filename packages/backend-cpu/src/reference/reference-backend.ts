import {
  type Backend,
  type Capabilities,
  capabilitiesOf,
  defineBackend,
  type FieldFamily,
  limitsWithin,
} from "@kvtuner/backend";
import { CODE_BITS, type CodecKind, FORMATS } from "@kvtuner/plan";
import { ReferenceStore } from "./reference-store.ts";

/** Limits of a reference backend. */
export interface ReferenceOptions {
  /** Maximum bytes of one cache; unlimited by default. */
  readonly maxCacheBytes?: number;
  /** Maximum tokens of one cache; 16777215 by default and at most. */
  readonly maxTokens?: number;
}

/**
 * The reference backend, "cpu-reference": plain TypeScript in double precision. Slow but obviously right: the oracle of all
 * other backends. Stores every scheme in groups of 16, 32, 64 or 128 numbers or the whole head, at any head size.
 *
 * @throws LimitError for invalid limits
 */
export const createReferenceBackend = (options: ReferenceOptions = {}): Backend =>
  defineBackend({
    name: "cpu-reference",
    capabilities: withOtherCodecs(
      capabilitiesOf(
        {
          bits: CODE_BITS,
          clip: true,
          parameters: ["float16", "two-level"],
          signs: true,
          transforms: ["none", "hadamard", "asset"],
          keyAxes: ["token", "channel"],
          valueAxes: ["token", "channel"],
          headSizes: "any",
          unevenLayers: true,
          attention: { sliding: true, softcap: true, sinkLogits: true, sharedCaches: true, valueSize: true },
        },
        limitsWithin({ maxTokens: MAX_TOKENS, maxCacheBytes: Number.MAX_SAFE_INTEGER }, options),
      ),
    ),
    createStore: (plan, image) => new ReferenceStore(plan, image),
  });

/** Every codec, with everything that its format lists. */
const withOtherCodecs = (capabilities: Capabilities): Capabilities => {
  const others = Object.values<{ readonly kind: CodecKind; readonly fields: FieldFamily["fields"] }>(FORMATS)
    .filter(({ kind }) => kind !== "float16" && kind !== "affine")
    .map(({ kind, fields }) => ({ kind, fields }) as FieldFamily);
  return { ...capabilities, key: [...capabilities.key, ...others], value: [...capabilities.value, ...others] };
};

/** Maximum entries of a Map. */
const MAX_TOKENS = 2 ** 24 - 1;
