// Encodes 16-bit rows on axis token. One workgroup handles one token of one head.
struct Encode {
  rows: Region,
  codes: Region,
  // First token after the sinks.
  first: u32,
  bits: u32,
  // Distance in words between consecutive words of a row, in rows and codes.
  stride: u32,
  is_rotated: u32,
}

@group(0) @binding(0) var<uniform> call: Encode;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read_write> codes: array<atomic<u32>>;

var<workgroup> smallest: array<f32, UNITS>;
var<workgroup> largest: array<f32, UNITS>;
var<workgroup> fits: array<Fit, UNITS>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = call.first + place.x;
  let head = place.y;
  load_row(head, token, lane);
  if (call.is_rotated != 0u) { rotate_row(lane); }
  workgroupBarrier();
  if (lane < UNITS) { find_extremes(lane); }
  workgroupBarrier();
  let slot = slot_of(call.codes, token / TILE);
  if (lane < call.codes.groups) { fit_row_group(head, slot, token % TILE, lane); }
  workgroupBarrier();
  let words = row_words(call.bits, UNITS);
  let tile = (head * call.codes.slots + slot) * TILE * words;
  let start = tile + (token % TILE) * select(words, 1u, call.stride == TILE);
  for (var word = lane; word < words; word += TILE) {
    atomicStore(&codes[start + word * call.stride], packed_word(call.bits, word));
  }
}

fn load_row(head: u32, token: u32, lane: u32) {
  let words = HEAD_SIZE / 2u;
  let tile = (head * call.rows.slots + slot_of(call.rows, token / TILE)) * TILE * words;
  let start = tile + (token % TILE) * select(words, 1u, call.stride == TILE);
  for (var word = lane; word < words; word += TILE) {
    let pair = rows[start + word * call.stride];
    row[2u * word] = number_of_half(pair & 0xffffu);
    row[2u * word + 1u] = number_of_half(pair >> 16u);
  }
}

fn find_extremes(unit: u32) {
  var low = row[16u * unit];
  var high = low;
  for (var channel = 16u * unit + 1u; channel < 16u * unit + 16u; channel++) {
    low = min(low, row[channel]);
    high = max(high, row[channel]);
  }
  smallest[unit] = low;
  largest[unit] = high;
}

fn fit_row_group(head: u32, slot: u32, token: u32, group: u32) {
  let first = group << call.codes.group_shift;
  var low = smallest[first];
  var high = largest[first];
  for (var unit = first + 1u; unit < UNITS && (unit >> call.codes.group_shift) == group; unit++) {
    low = min(low, smallest[unit]);
    high = max(high, largest[unit]);
  }
  let stored = fit_group(low, high, call.bits, call.codes.affine != 0u);
  fits[group] = stored.fit;
  let in_tile = select(token * call.codes.groups + group, group * TILE + token, call.stride == TILE);
  let entry = head * call.codes.head_parameters + slot * TILE * call.codes.groups + in_tile;
  store_parameters(entry, stored.scale_bits, stored.minimum_bits);
}

fn code_at(channel: u32) -> u32 {
  return code_of(row[channel], fits[(channel / 16u) >> call.codes.group_shift]);
}
