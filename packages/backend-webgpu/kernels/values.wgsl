// Values of any format: four channels of a token, whose group has one scale and one minimum.
fn value_quad(row: u32, head: u32, token: u32, quad: u32) -> vec4f {
  if (VALUE_BITS == 16u) { return value_exact(row, quad); }
  let group = token * call.value.groups + ((quad / 4u) >> call.value.group_shift);
  let parameters = value_parameters(head * call.value.head_parameters + group);
  return value_codes(row, quad) * parameters.x + parameters.y;
}
