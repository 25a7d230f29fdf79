// Values as channels; reduce.wgsl changes sums of them to numbers.
fn value_quad(row: u32, head: u32, token: u32, quad: u32) -> vec4f {
  let own = value_row(head, token);
  let start = value_head(head);
  var four = vec4f();
  for (var index = 0u; index < 4u; index++) { four[index] = value_channel(start, own, 4u * quad + index); }
  return value_gain(own) * four;
}
