// Codes of channels 4 * quad to 4 * quad + 3, one per byte. Codes of three bits are stored in two planes: first the lower
// two bits of every code, then the upper bits.
fn TENSOR_bytes(row: u32, quad: u32) -> u32 {
  if (TENSOR_BITS == 2u) {
    return (TENSOR_word(row, quad / 4u) >> (2u * (quad % 4u))) & 0x03030303u;
  }
  if (TENSOR_BITS == 3u) {
    let lower = (TENSOR_word(row, quad / 4u) >> (2u * (quad % 4u))) & 0x03030303u;
    let upper = (TENSOR_word(row, TENSOR_UNITS + quad / 8u) >> (quad % 8u)) & 0x01010101u;
    return lower | (upper << 2u);
  }
  if (TENSOR_BITS == 4u) {
    return (TENSOR_word(row, quad / 2u) >> (4u * (quad % 2u))) & 0x0f0f0f0fu;
  }
  return TENSOR_word(row, quad);
}

// Codes, one per byte, as numbers.
fn TENSOR_numbers(bytes: u32) -> vec4f {
  return vec4f(f32(bytes & 0xffu), f32((bytes >> 8u) & 0xffu), f32((bytes >> 16u) & 0xffu), f32(bytes >> 24u));
}

// Codes of channels 4 * quad to 4 * quad + 3 as numbers.
fn TENSOR_codes(row: u32, quad: u32) -> vec4f {
  return TENSOR_numbers(TENSOR_bytes(row, quad));
}

// Scale and minimum of a group: a number is code * scale + minimum. Symmetric codes are stored with an offset, from 0.
fn TENSOR_parameters(entry: u32) -> vec2f {
  let start = TENSOR_REGION.parameters;
  if (TENSOR_REGION.affine != 0u) { return halves_of(TENSOR_DATA[start + entry]); }
  let scale = halves_of(TENSOR_DATA[start + entry / 2u])[entry % 2u];
  return vec2f(scale, (1.0 - f32(1u << (TENSOR_BITS - 1u))) * scale);
}
