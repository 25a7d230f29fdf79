import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { packCodes, unpackCodes } from "./bit-packing.ts";

const bitsAndCodes = fc.constantFrom(2, 3, 4, 5, 6, 8).chain((bits) =>
  fc.record({
    bits: fc.constant(bits),
    codes: fc.uint8Array({ max: 2 ** bits - 1, maxLength: 200 }),
  }),
);

/** The bit string as one big integer, code 0 lowest. */
const asInteger = (codes: Uint8Array, bits: number): bigint =>
  codes.reduceRight((sum, code) => (sum << BigInt(bits)) | BigInt(code), 0n);

test.prop([bitsAndCodes])(
  "packed codes are the little-endian bit string of the codes, without gaps",
  ({ bits, codes }) => {
    const packed = packCodes(codes, bits);
    expect(packed.length).toBe(Math.ceil((codes.length * bits) / 8));
    expect(asInteger(packed, 8)).toBe(asInteger(codes, bits));
  },
);

test.prop([bitsAndCodes])("unpacking gives the codes back", ({ bits, codes }) => {
  expect(unpackCodes(packCodes(codes, bits), bits, codes.length)).toEqual(codes);
});
