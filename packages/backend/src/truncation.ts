import { KvtunerError } from "@kvtuner/plan";
import { MAX_FLOAT16, roundArrayToFloat16 } from "@kvtuner/quantizers";

/**
 * Checks the argument of `truncate`.
 *
 * @throws TruncateError `BACKEND_TRUNCATE` unless `length` is a whole number from 0 to `current`
 */
export const assertTruncate = (current: number, length: number): void => {
  if (Number.isInteger(length) && length >= 0 && length <= current) return;
  throw new TruncateError(
    `expected a length from 0 to the cache's ${current} tokens, got ${length}; truncate drops tokens, attend adds them`,
  );
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

/** A length that the cache does not have. */
export class TruncateError extends KvtunerError {
  constructor(message: string) {
    super("BACKEND_TRUNCATE", message);
    this.name = "TruncateError";
  }
}
