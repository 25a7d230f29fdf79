// Codes of 16 channels from 16 * unit, four per word: each stored word is loaded once. codes.wgsl defines the layout of a
// row.
const QUADS_OF_UNIT: vec4u = vec4u(0u, 1u, 2u, 3u);

fn key_unit_bytes(row: u32, unit: u32) -> vec4u {
  if (KEY_BITS == 16u) { return vec4u(); }
  if (KEY_BITS == 2u) { return two_bits(key_word(row, unit)); }
  if (KEY_BITS == 3u) {
    let upper = key_word(row, UNITS + unit / 2u) >> (4u * (unit % 2u));
    return two_bits(key_word(row, unit)) | (((vec4u(upper) >> QUADS_OF_UNIT) & vec4u(0x01010101u)) << vec4u(2u));
  }
  if (KEY_BITS == 4u) {
    let words = vec2u(key_word(row, 2u * unit), key_word(row, 2u * unit + 1u));
    return (words.xxyy >> vec4u(0u, 4u, 0u, 4u)) & vec4u(0x0f0f0f0fu);
  }
  let first = 4u * unit;
  return vec4u(key_word(row, first), key_word(row, first + 1u), key_word(row, first + 2u), key_word(row, first + 3u));
}

fn two_bits(word: u32) -> vec4u {
  return (vec4u(word) >> (2u * QUADS_OF_UNIT)) & vec4u(0x03030303u);
}
