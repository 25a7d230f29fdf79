// Scale, minimum and codes of a group, bit for bit as in @kvtuner/quantizers, however the driver divides.

// Parameters for encoding, and the lowest and highest code.
struct Fit {
  scale: f32,
  minimum: f32,
  lowest: f32,
  highest: f32,
}

// A fit and its parameters as stored.
struct StoredFit {
  fit: Fit,
  scale_bits: u32,
  minimum_bits: u32,
}

fn fit_group(smallest: f32, largest: f32, bits: u32, is_affine: bool) -> StoredFit {
  let top = (1u << bits) - 1u;
  let half = (1u << (bits - 1u)) - 1u;
  let highest = select(half, top, is_affine);
  let range = select(max(largest, -smallest), largest - smallest, is_affine);
  let scale = half_of_word(divided(bitcast<u32>(range) & 0x7fffffffu, highest));
  let minimum = select(0u, half_of_word(bitcast<u32>(smallest)), is_affine);
  let lowest = select(-f32(half), 0.0, is_affine);
  return StoredFit(Fit(number_of_half(scale), number_of_half(minimum), lowest, f32(highest)), scale, minimum);
}

// Divides a positive float32, given and returned as its bits, by a whole number up to 255. Rounds half to even.
fn divided(word: u32, divisor: u32) -> u32 {
  let exponent = word >> 23u;
  if (exponent < 16u) { return 0u; }
  let dividend = ((word & 0x7fffffu) | 0x800000u) << 8u;
  let quotient = dividend / divisor;
  let remainder = dividend % divisor;
  let shift = 8u - countLeadingZeros(quotient);
  let whole = quotient >> shift;
  let rest = quotient & ((1u << shift) - 1u);
  let is_odd = (whole & 1u) == 1u;
  var is_up = 2u * remainder > divisor || (2u * remainder == divisor && is_odd);
  if (shift > 0u) {
    let tie = 1u << (shift - 1u);
    is_up = rest > tie || (rest == tie && (remainder > 0u || is_odd));
  }
  return ((exponent + shift - 9u) << 23u) + whole + u32(is_up);
}

// The stored code of a number, from 0. Rounds half to even; detects ties by products, which are exact.
fn code_of(x: f32, fit: Fit) -> u32 {
  if (fit.scale == 0.0) { return u32(-fit.lowest); }
  let distance = x - fit.minimum;
  var code = clamp(round(distance / fit.scale), fit.lowest, fit.highest);
  let above = (code + 0.5) * fit.scale;
  let below = (code - 0.5) * fit.scale;
  let is_odd = (i32(code) & 1) != 0;
  if (distance > above || (distance == above && is_odd)) { code += 1.0; }
  else if (distance < below || (distance == below && is_odd)) { code -= 1.0; }
  return u32(clamp(code, fit.lowest, fit.highest) - fit.lowest);
}
