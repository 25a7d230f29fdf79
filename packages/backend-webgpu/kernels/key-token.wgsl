// Keys with groups along channels: each group's parameters are loaded once, at its first unit.
fn token_key_unit(head: u32, slot: u32, token: u32, unit: u32) -> vec2f {
  let group = slot * call.key.groups + (unit >> call.key.group_shift);
  return key_parameters(head * call.key.head_parameters + group * TILE + token);
}

fn starts_group(unit: u32) -> bool {
  return (unit & ((1u << call.key.group_shift) - 1u)) == 0u;
}

fn token_key_quad(bytes: u32, parameters: vec2f, quad: u32) -> vec4f {
  return key_numbers(bytes) * parameters.x + parameters.y - middle[quad];
}
