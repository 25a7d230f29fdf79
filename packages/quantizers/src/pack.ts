/** Writes `count` codes below `2^bits` from `codes[from..]`, lowest bits first, into `target` from byte `offset`. Returns the next free byte. */
export const packCodes = (
  codes: Uint8Array,
  from: number,
  count: number,
  bits: number,
  target: Uint8Array,
  offset: number,
): number => {
  for (let index = 0; index < count; index++) {
    const bit = index * bits;
    const shifted = codes[from + index]! << (bit & 7);
    const byte = offset + (bit >>> 3);
    target[byte] = target[byte]! | (shifted & 0xff);
    if (shifted > 0xff) target[byte + 1] = target[byte + 1]! | (shifted >>> 8);
  }
  return offset + Math.ceil((count * bits) / 8);
};

/** The code at place `index` of a row that {@link packCodes} wrote from byte `offset`. */
export const unpackCode = (packed: Uint8Array, offset: number, index: number, bits: number): number => {
  const bit = index * bits;
  const byte = offset + (bit >>> 3);
  return (((packed[byte]! | ((packed[byte + 1] ?? 0) << 8)) >>> (bit & 7)) & (2 ** bits - 1)) >>> 0;
};
