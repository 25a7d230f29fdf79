// Values of any format. In float16 a code of values far out, times its scale, would be more than there is room for: the sum with
// the minimum is in range, the product is not.
fn value_quad(row: u32, head: u32, token: u32, quad: u32) -> vec4f {
  if (VALUE_BITS == 16u) { return value_exact(row, quad); }
  let group = token * call.value.groups + ((quad / 4u) >> call.value.group_shift);
  let parameters = value_parameters(head * call.value.head_parameters + group);
  return value_codes(row, quad) * parameters.x + parameters.y;
}
