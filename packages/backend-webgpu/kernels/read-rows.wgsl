// Reads tokens from codes or 16-bit rows into float32 rows `[tokens, heads * HEAD_SIZE]`. One workgroup handles one token
// of one head.
struct ReadRows {
  region: Region,
  // First token within the region, and its row in the output.
  first: u32,
  row: u32,
  heads: u32,
  // 16 for rows that are not codes.
  bits: u32,
  stride: u32,
  is_channel: u32,
  is_rotated: u32,
  // Rounds to float16 and clamps to its range.
  is_rounded: u32,
}

@group(0) @binding(0) var<uniform> call: ReadRows;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read_write> numbers: array<f32>;

fn data_word(start: u32, word: u32) -> u32 {
  return data[start + word * call.stride];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = call.first + place.x;
  let head = place.y;
  let slot = slot_of(call.region, token / TILE);
  let words = row_words(call.bits, UNITS);
  let tile = (head * call.region.slots + slot) * TILE * words;
  let start = tile + (token % TILE) * select(words, 1u, call.stride == TILE);
  for (var quad = lane; quad < QUADS; quad += TILE) {
    let four = quad_of(start, head, slot, token % TILE, quad);
    for (var index = 0u; index < 4u; index++) { row[4u * quad + index] = four[index]; }
  }
  if (call.is_rotated != 0u) { rotate_row(lane); }
  workgroupBarrier();
  let target_start = ((call.row + place.x) * call.heads + head) * HEAD_SIZE;
  for (var channel = lane; channel < HEAD_SIZE; channel += TILE) {
    numbers[target_start + channel] = stored_number(row[channel]);
  }
}

fn quad_of(start: u32, head: u32, slot: u32, token: u32, quad: u32) -> vec4f {
  if (call.bits == 16u) { return data_exact(start, quad); }
  let codes = data_codes(start, quad);
  let head_start = head * call.region.head_parameters;
  if (call.is_channel != 0u) {
    let group = (slot * TILE + token) / (16u << call.region.group_shift);
    var four = vec4f();
    for (var index = 0u; index < 4u; index++) {
      let of_channel = data_parameters(head_start + group * HEAD_SIZE + 4u * quad + index);
      four[index] = codes[index] * of_channel.x + of_channel.y;
    }
    return four;
  }
  let group = (quad / 4u) >> call.region.group_shift;
  let in_tile = select(token * call.region.groups + group, group * TILE + token, call.stride == TILE);
  let of_row = data_parameters(head_start + slot * TILE * call.region.groups + in_tile);
  return codes * of_row.x + of_row.y;
}

fn stored_number(x: f32) -> f32 {
  if (call.is_rounded == 0u) { return x; }
  return number_of_half(half_of_word(bitcast<u32>(clamp(x, -65504.0, 65504.0))));
}
