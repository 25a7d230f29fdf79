/**
 * Packs codes of `bits` bits (1 to 8) without gaps, lowest bit first: code `i` starts at bit `i * bits` of the
 * little-endian bit string. Zeros fill the last byte.
 */
export const packCodes = (codes: Uint8Array, bits: number): Uint8Array => {
  const packed = new Uint8Array(packedBytes(codes.length, bits));
  let buffer = 0;
  let filled = 0;
  let at = 0;
  for (const code of codes) {
    buffer |= code << filled;
    filled += bits;
    if (filled < 8) continue;
    packed[at++] = buffer;
    buffer >>>= 8;
    filled -= 8;
  }
  if (filled > 0) packed[at] = buffer;
  return packed;
};

/** Unpacks `count` codes of `bits` bits from {@link packCodes}, one per byte. */
export const unpackCodes = (packed: Uint8Array, bits: number, count: number): Uint8Array => {
  const codes = new Uint8Array(count);
  const mask = 2 ** bits - 1;
  for (let index = 0; index < count; index++) {
    const bit = index * bits;
    const byte = bit >>> 3;
    const pair = packed[byte]! | ((packed[byte + 1] ?? 0) << 8);
    codes[index] = (pair >>> (bit & 7)) & mask;
  }
  return codes;
};

/** Bytes that `count` codes of `bits` bits fill. */
export const packedBytes = (count: number, bits: number): number => Math.ceil((count * bits) / 8);

/** Packs codes from 0 to 2, five in a byte, the first one lowest: `sum code * 3^place`. Zeros fill the last byte. */
export const packTernary = (codes: Uint8Array): Uint8Array => {
  const packed = new Uint8Array(ternaryBytes(codes.length));
  for (const [index, code] of codes.entries()) packed[Math.floor(index / 5)]! += code * 3 ** (index % 5);
  return packed;
};

/** Unpacks `count` codes from {@link packTernary}. */
export const unpackTernary = (packed: Uint8Array, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, index) => Math.floor(packed[Math.floor(index / 5)]! / 3 ** (index % 5)) % 3);

/** Bytes that `count` ternary codes fill. */
export const ternaryBytes = (count: number): number => Math.ceil(count / 5);
