// Scores of keys per token as dot products of their packed codes, in 8-bit integers. A query vector is rounded to
// multiples of a step of its own, in 24 bits, stored as three digits of 8 bits: as precise as float32 relative to its
// largest number. Other keys are unpacked.
const MOST_STEPS: f32 = 8323072.0;

// Digits of 16 channels, in units of 65536, 256 and 1 steps.
var<workgroup> high_digits: array<vec4u, VECTORS * UNITS>;
var<workgroup> middle_digits: array<vec4u, VECTORS * UNITS>;
var<workgroup> low_digits: array<vec4u, VECTORS * UNITS>;
// Per 16 channels: the sum of a query in steps, and its product with the middle.
var<workgroup> unit_sums: array<vec2f, VECTORS * UNITS>;
var<workgroup> query_steps: array<f32, VECTORS>;

fn start_scores(head: u32, first_vector: u32, lane: u32) {
  if (KEY_BITS == 16u || IS_KEY_CHANNEL) { return; }
  if (lane < VECTOR_COUNT) { query_steps[lane] = largest_of_query(lane) / MOST_STEPS; }
  workgroupBarrier();
  for (var item = lane; item < VECTOR_COUNT * UNITS; item += TILE) {
    pack_unit(item, query_steps[item / UNITS]);
  }
}

fn largest_of_query(vector: u32) -> f32 {
  var four = vec4f();
  for (var quad = 0u; quad < QUADS; quad++) { four = max(four, abs(query[vector * QUADS + quad])); }
  return max(max(four.x, four.y), max(four.z, four.w));
}

fn pack_unit(item: u32, step: f32) {
  let steps_in_one = select(1.0 / step, 0.0, step == 0.0);
  var sums = vec2f();
  for (var index = 0u; index < 4u; index++) {
    let whole = vec4i(round(query[4u * item + index] * steps_in_one));
    let low = lowest_digit(whole);
    let above = (whole - low) >> vec4u(8u);
    let between = lowest_digit(above);
    high_digits[item][index] = pack4xI8((above - between) >> vec4u(8u));
    middle_digits[item][index] = pack4xI8(between);
    low_digits[item][index] = pack4xI8(low);
    sums += vec2f(dot(vec4f(whole), vec4f(1.0)), dot(vec4f(whole), middle[(4u * item + index) % QUADS]));
  }
  unit_sums[item] = sums;
}

// From -128 to 127.
fn lowest_digit(whole: vec4i) -> vec4i {
  return ((whole + 128) & vec4i(0xff)) - 128;
}

fn score_token(head: u32, slot: u32, token: u32) -> array<f32, VECTORS> {
  if (KEY_BITS == 16u || IS_KEY_CHANNEL) { return unpacked_scores(head, slot, token); }
  var scores: array<f32, VECTORS>;
  let row = (head * call.key.slots + slot) * TILE * row_words(KEY_BITS, UNITS) + token;
  // Codes of 8 bits are shifted by 128 to be signed.
  let shift = select(0.0, 128.0, KEY_BITS == 8u);
  var parameters = vec2f();
  for (var unit = 0u; unit < UNIT_COUNT; unit++) {
    parameters = key_unit(head, slot, token, unit, parameters);
    // Once for all vectors.
    let codes = key_unit_bytes(row, unit) ^ vec4u(select(0u, 0x80808080u, KEY_BITS == 8u));
    let minimum = parameters.y + shift * parameters.x;
    for (var vector = 0u; vector < VECTOR_COUNT; vector++) {
      let item = vector * UNITS + unit;
      let high = code_sum(high_digits[item], codes);
      let rest = 256 * code_sum(middle_digits[item], codes) + code_sum(low_digits[item], codes);
      let sums = unit_sums[item];
      scores[vector] += parameters.x * (65536.0 * f32(high) + f32(rest)) + (minimum * sums.x - sums.y);
    }
  }
  for (var vector = 0u; vector < VECTOR_COUNT; vector++) { scores[vector] *= query_steps[vector]; }
  return scores;
}

fn code_sum(digits: vec4u, codes: vec4u) -> i32 {
  return dot4I8Packed(digits.x, codes.x) + dot4I8Packed(digits.y, codes.y)
    + dot4I8Packed(digits.z, codes.z) + dot4I8Packed(digits.w, codes.w);
}
