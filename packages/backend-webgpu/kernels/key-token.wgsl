// Keys whose groups are channels of a token.
fn token_key_unit(head: u32, slot: u32, token: u32, unit: u32) -> vec2f {
  let group = slot * call.key.groups + (unit >> call.key.group_shift);
  return key_parameters(head * call.key.head_parameters + group * TILE + token);
}

fn token_key_quad(row: u32, parameters: vec2f, quad: u32) -> vec4f {
  return key_codes(row, quad) * parameters.x + parameters.y - middle[quad];
}
