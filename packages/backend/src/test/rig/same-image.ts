import type { PartArray } from "@kvtuner/quantizers";
import type { CacheImage, HeadImage } from "../../snapshot/cache-image.ts";
import { assertLaw } from "../law.ts";

/** Fails at the first number that differs; zeros of either sign are equal. */
export const assertSameImage = (got: CacheImage, expected: CacheImage): void => {
  assertLaw(got.length === expected.length, `expected ${expected.length} tokens in the snapshot, got ${got.length}`);
  for (const [layer, tensors] of expected.tensors.entries())
    for (const tensor of ["key", "value"] as const)
      for (const [head, image] of tensors[tensor].entries())
        assertSameHead(got.tensors[layer]![tensor][head]!, image, `${tensor} of layer ${layer}, KV head ${head}`);
};

const assertSameHead = (got: HeadImage, expected: HeadImage, where: string): void => {
  for (const [part, numbers] of Object.entries(expected.prefix))
    assertSame(got.prefix[part]!, numbers, `${part} of the ${where}`);
  assertSame(got.exact, expected.exact, `16-bit numbers of the ${where}`);
};

const NEGATIVE_ZERO = 0x8000;

const assertSame = (got: PartArray, expected: PartArray, what: string): void => {
  const plain = (bits: number | undefined): number | undefined => (bits === NEGATIVE_ZERO ? 0 : bits);
  const index = expected.findIndex((bits, place) => plain(bits) !== plain(got[place]));
  assertLaw(
    index < 0 && got.length === expected.length,
    `expected the ${what} to be what encodeBlock gives; at ${index} of ${expected.length} is ${got[index]} instead of ${expected[index]}`,
  );
};
