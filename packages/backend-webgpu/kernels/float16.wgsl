// float16 in integer arithmetic: rounding and subnormals do not depend on the driver.

// The number of 16 bits.
fn number_of_half(bits: u32) -> f32 {
  let magnitude = bits & 0x7fffu;
  let normal = bitcast<f32>((magnitude << 13u) + 0x38000000u);
  // Builds a subnormal with an implicit 2^-14, then subtracts that.
  let subnormal = bitcast<f32>((magnitude << 13u) + 0x38800000u) - 6.103515625e-05;
  let number = select(normal, subnormal, magnitude < 0x400u);
  return select(number, -number, (bits & 0x8000u) != 0u);
}

// The float16 nearest to a float32, given as its bits. Rounds half to even.
fn half_of_word(word: u32) -> u32 {
  let sign = (word >> 16u) & 0x8000u;
  let magnitude = word & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return sign | 0x7e00u; }
  if (magnitude >= 0x477ff000u) { return sign | 0x7c00u; }
  if (magnitude >= 0x38800000u) {
    return sign | ((magnitude + 0xfffu + ((magnitude >> 13u) & 1u) - 0x38000000u) >> 13u);
  }
  return sign | subnormal_half(magnitude);
}

// Multiples of 2^-24.
fn subnormal_half(magnitude: u32) -> u32 {
  let exponent = magnitude >> 23u;
  if (exponent < 102u) { return 0u; }
  let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  let shift = 126u - exponent;
  let whole = mantissa >> shift;
  let rest = mantissa & ((1u << shift) - 1u);
  let tie = 1u << (shift - 1u);
  return whole + u32(rest > tie || (rest == tie && (whole & 1u) == 1u));
}
