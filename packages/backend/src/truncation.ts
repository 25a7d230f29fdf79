import { firstHeld, KvtunerError, layerShape, layerSpan } from "@kvtuner/plan";
import { MAX_FLOAT16, roundArrayToFloat16 } from "@kvtuner/quantizers";
import type { CachePlan } from "./backend.ts";

/**
 * Checks the argument of `truncate`.
 *
 * @throws TruncateError `BACKEND_TRUNCATE` unless `length` is a whole number from 0 to `current`
 */
export const assertTruncate = (current: number, length: number): void => {
  if (Number.isInteger(length) && length >= 0 && length <= current) return;
  throw new TruncateError(
    "BACKEND_TRUNCATE",
    `expected a length from 0 to the cache's ${current} tokens, got ${length}; truncate drops tokens, attend adds them`,
  );
};

/**
 * Checks that every layer still holds the tokens of a cache of `length` tokens. A layer with a span drops tokens that no later
 * query reads; after going back, some would be read again.
 *
 * @param lengths tokens that each layer holds
 * @throws TruncateError `BACKEND_TRUNCATE_DROPPED`
 */
export const assertNotDropped = (plan: CachePlan, lengths: readonly number[], length: number): void => {
  for (const [layer, scheme] of plan.layers.entries()) {
    const span = layerSpan(layerShape(plan.shape, layer));
    for (const tensor of [scheme.key, scheme.value]) {
      const held = firstHeld(tensor, scheme, span, lengths[layer]!);
      if (firstHeld(tensor, scheme, span, length) >= Math.min(length, held)) continue;
      throw new TruncateError(
        "BACKEND_TRUNCATE_DROPPED",
        `expected a length whose tokens layer ${layer} still holds, got ${length}: with span ${span}, it has dropped the tokens before ${held}; truncate(0) and append the tokens again`,
      );
    }
  }
};

/**
 * Rounds decoded tokens to float16 in place, to be kept in 16 bits again. Clamps to the largest float16, because a cache
 * holds no infinity.
 */
export const roundDecoded = (numbers: Float32Array): void => {
  for (let index = 0; index < numbers.length; index++)
    numbers[index] = Math.min(MAX_FLOAT16, Math.max(-MAX_FLOAT16, numbers[index]!));
  roundArrayToFloat16(numbers, numbers);
};

/** A length that the cache does not have, or cannot go back to; `code` says which. */
export class TruncateError extends KvtunerError {
  override readonly name = "TruncateError";
}
