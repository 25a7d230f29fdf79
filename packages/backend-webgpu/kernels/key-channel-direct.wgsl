// Keys with groups along tokens in heads whose parameters of a tile exceed shared memory: each lane loads them itself.
var<private> first_parameter: u32;

fn stage_channel_keys(head: u32, slot: u32, lane: u32) {
  first_parameter = head * call.key.head_parameters + slot * TILE / (16u << call.key.group_shift) * HEAD_SIZE;
}

fn channel_key_quad(bytes: u32, token: u32, quad: u32) -> vec4f {
  let group = token >> (4u + call.key.group_shift);
  let first = first_parameter + group * HEAD_SIZE + 4u * quad;
  let codes = key_numbers(bytes);
  var four = vec4f();
  for (var index = 0u; index < 4u; index++) {
    let parameters = key_parameters(first + index);
    four[index] = codes[index] * parameters.x + parameters.y;
  }
  return four - middle[quad];
}
