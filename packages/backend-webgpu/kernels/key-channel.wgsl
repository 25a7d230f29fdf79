// Keys with groups along tokens: the parameters of a tile are unpacked once, with the middle subtracted from the minima.
const MOST_GROUPS: u32 = 4u;

var<workgroup> scales: array<vec4f, MOST_GROUPS * QUADS>;
var<workgroup> minima: array<vec4f, MOST_GROUPS * QUADS>;

fn stage_channel_keys(head: u32, slot: u32, lane: u32) {
  let group_size = 16u << call.key.group_shift;
  let groups = max(1u, TILE / group_size);
  let first = head * call.key.head_parameters + slot * TILE / group_size * HEAD_SIZE;
  for (var item = lane; item < groups * QUADS; item += TILE) {
    var scale = vec4f();
    var minimum = vec4f();
    for (var index = 0u; index < 4u; index++) {
      let parameters = key_parameters(first + 4u * item + index);
      scale[index] = parameters.x;
      minimum[index] = parameters.y;
    }
    scales[item] = scale;
    minima[item] = minimum - middle[item % QUADS];
  }
}

fn channel_key_quad(bytes: u32, token: u32, quad: u32) -> vec4f {
  let place = (token >> (4u + call.key.group_shift)) * QUADS + quad;
  return key_numbers(bytes) * scales[place] + minima[place];
}
