// A head vector in shared memory, and its Hadamard transform in blocks of HADAMARD_SIZE channels, bit for bit as in
// @kvtuner/quantizers.
var<workgroup> row: array<f32, HEAD_SIZE>;

fn rotate_row(lane: u32) {
  workgroupBarrier();
  for (var reach = 1u; reach < HADAMARD_SIZE; reach *= 2u) {
    for (var pair = lane; pair < HEAD_SIZE / 2u; pair += TILE) {
      let first = (pair / reach) * 2u * reach + pair % reach;
      let a = row[first];
      let b = row[first + reach];
      row[first] = a + b;
      row[first + reach] = a - b;
    }
    workgroupBarrier();
  }
  for (var channel = lane; channel < HEAD_SIZE; channel += TILE) {
    row[channel] = normalized(row[channel]);
  }
  workgroupBarrier();
}

// x / sqrt(HADAMARD_SIZE), rounded once. Uses integers, because drivers may round products as they like: the factor has
// 53 bits, (FACTOR_HIGH * 2^21 + FACTOR_LOW) * 2^(FACTOR_EXPONENT - 52).
fn normalized(x: f32) -> f32 {
  let word = bitcast<u32>(x);
  let exponent = (word >> 23u) & 0xffu;
  if (exponent < 32u || exponent == 255u) { return x * FACTOR; }
  let mantissa = (word & 0x7fffffu) | 0x800000u;
  let high = product(mantissa, FACTOR_HIGH);
  let low = product(mantissa, FACTOR_LOW);
  // 64 bits: high plus the upper bits of low.
  let carried = (low.y << 11u) | (low.x >> 21u);
  let lower = high.x + carried;
  let upper = high.y + u32(lower < carried);
  let sticky = (low.x & 0x1fffffu) != 0u;
  var whole = upper;
  var rest = lower;
  var power = i32(exponent) + FACTOR_EXPONENT + 1;
  if (whole < 0x800000u) {
    whole = (upper << 1u) | (lower >> 31u);
    rest = lower << 1u;
    power -= 1;
  }
  whole += u32(rest > 0x80000000u || (rest == 0x80000000u && (sticky || (whole & 1u) == 1u)));
  return bitcast<f32>((word & 0x80000000u) | ((u32(power - 1) << 23u) + whole));
}

// All 64 bits of a product, lower word first.
fn product(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return vec2u((other << 16u) | (low & 0xffffu), (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u));
}
