// Values of codes.
fn decoded_value(row: u32, quad: u32, parameters: vec2f) -> vec4f {
  return value_codes(row, quad) * parameters.x + parameters.y;
}
