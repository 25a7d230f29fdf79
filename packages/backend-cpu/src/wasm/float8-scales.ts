import { UnsupportedSchemeError, type CachePlan } from "@kvtuner/backend";
import { schemeOfHead, type TensorScheme } from "@kvtuner/plan";
import type { Arena } from "./arena.ts";
import { writeFixedScales } from "./layer-record.ts";

/** Copies the fixed scales of the codec `float8` into a tensor's memory, and tells its record. */
export const writeFloat8Scales = (arena: Arena, address: number, scheme: TensorScheme, kvHeads: number): void => {
  if (fixedScales(scheme).length === 0) return;
  const at = arena.allocate(4 * kvHeads);
  for (let head = 0; head < kvHeads; head++) arena.floats[at / 4 + head] = fixedScales(schemeOfHead(scheme, head))[0]!;
  writeFixedScales(arena.words, address, at);
};

const fixedScales = (scheme: TensorScheme): readonly number[] =>
  scheme.kind === "float8" && scheme.scales !== "dynamic" ? scheme.scales : [];

/** Kernels add up values that are 2^112 times too small, with weights as much larger: beyond this, these would overflow. */
const LARGEST_SCALE = 2 ** 14;

/**
 * Checks the fixed scales of values. Capabilities cannot limit them.
 *
 * @throws UnsupportedSchemeError `BACKEND_UNSUPPORTED_SCHEME`
 */
export const assertFloat8Scales = ({ layers }: CachePlan): void => {
  for (const [layer, { value: scheme }] of layers.entries())
    if (scheme.kind === "float8" && fixedScales(scheme).some((scale) => scale > LARGEST_SCALE)) {
      const nearest = { ...scheme, scope: "token", scales: "dynamic" } as const;
      throw new UnsupportedSchemeError({ backend: "cpu", layer, tensor: "value", scheme, nearest });
    }
};
