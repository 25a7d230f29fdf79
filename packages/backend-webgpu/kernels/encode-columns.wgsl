// Encodes float32 rows `[tokens, heads * HEAD_SIZE]` on axis channel. One workgroup handles 32 channels of one group of
// tokens and one head.
struct EncodeColumns {
  codes: Region,
  // First token after the sinks, a multiple of the group.
  first: u32,
  bits: u32,
  heads: u32,
}

@group(0) @binding(0) var<uniform> call: EncodeColumns;
@group(0) @binding(1) var<storage, read> numbers: array<f32>;
@group(0) @binding(2) var<storage, read_write> codes: array<atomic<u32>>;

var<workgroup> smallest: array<f32, 64>;
var<workgroup> largest: array<f32, 64>;
var<workgroup> fits: array<Fit, 32>;
var<private> row_start: u32;
var<private> first_channel: u32;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_size = 16u << call.codes.group_shift;
  let head = place.z;
  let first = call.first + place.x * group_size;
  first_channel = 32u * place.y;
  find_extremes(place.x * group_size, group_size / 2u, head, lane);
  workgroupBarrier();
  let slot = slot_of(call.codes, first / TILE);
  let group = (slot * TILE + first % TILE) / group_size;
  if (lane < 32u && first_channel + lane < HEAD_SIZE) { fit_column(head, group, lane); }
  workgroupBarrier();
  let words = pair_words();
  for (var item = lane; item < words * group_size; item += TILE) {
    let token = item / words;
    store_word(head, first + token, place.x * group_size + token, item % words);
  }
}

// Two lanes share a channel; each takes half of the tokens.
fn find_extremes(first: u32, count: u32, head: u32, lane: u32) {
  let channel = first_channel + lane % 32u;
  if (channel >= HEAD_SIZE) { return; }
  let start = first + (lane / 32u) * count;
  var low = numbers[(start * call.heads + head) * HEAD_SIZE + channel];
  var high = low;
  for (var token = start + 1u; token < start + count; token++) {
    let x = numbers[(token * call.heads + head) * HEAD_SIZE + channel];
    low = min(low, x);
    high = max(high, x);
  }
  smallest[lane] = low;
  largest[lane] = high;
}

fn fit_column(head: u32, group: u32, lane: u32) {
  let low = min(smallest[lane], smallest[lane + 32u]);
  let high = max(largest[lane], largest[lane + 32u]);
  let stored = fit_group(low, high, call.bits, call.codes.affine != 0u);
  fits[lane] = stored.fit;
  let entry = head * call.codes.head_parameters + group * HEAD_SIZE + first_channel + lane;
  store_parameters(entry, stored.scale_bits, stored.minimum_bits);
}

// Words of 32 channels of a row.
fn pair_words() -> u32 {
  return call.bits;
}

fn store_word(head: u32, token: u32, numbers_row: u32, index: u32) {
  var word = first_channel / 32u * call.bits + index;
  if (call.bits == 3u) {
    word = select(first_channel / 16u + index, UNITS + first_channel / 32u, index == 2u);
    if (index < 2u && word >= UNITS) { return; }
  }
  let words = row_words(call.bits, UNITS);
  if (word >= words) { return; }
  row_start = (numbers_row * call.heads + head) * HEAD_SIZE;
  let tile = (head * call.codes.slots + slot_of(call.codes, token / TILE)) * TILE * words;
  atomicStore(&codes[tile + token % TILE + word * TILE], packed_word(call.bits, word));
}

fn code_at(channel: u32) -> u32 {
  return code_of(numbers[row_start + channel], fits[channel - first_channel]);
}
