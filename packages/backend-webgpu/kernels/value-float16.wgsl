// Values of codes, in the adapter's own float16.
fn decoded_value(row: u32, quad: u32, parameters: vec2f) -> vec4f {
  let halves = vec2<f16>(parameters);
  return vec4f(vec4<f16>(value_codes(row, quad)) * halves.x + halves.y);
}
