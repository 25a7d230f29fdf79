// Writes float32 rows `[tokens, heads * HEAD_SIZE]` as float16 into 16-bit tiles. Also stores the first key of a sequence
// as the middle: scores use keys minus the middle, so that channels with a large offset in all keys cost no precision.
// Numbers out of float16's range set the layer's mark, which reduce.wgsl reads.
struct Append {
  region: Region,
  // First token within the region, and its row in the source.
  first: u32,
  row: u32,
  // Word of the first row.
  source: u32,
  heads: u32,
  // Distance in words between consecutive words of a row.
  stride: u32,
  is_first_key: u32,
  mark: u32,
}

@group(0) @binding(0) var<uniform> call: Append;
@group(0) @binding(1) var<storage, read> numbers: array<u32>;
@group(0) @binding(2) var<storage, read_write> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> middles: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = call.first + place.x;
  let head = place.y;
  let source = call.source + ((call.row + place.x) * call.heads + head) * HEAD_SIZE;
  let words = HEAD_SIZE / 2u;
  let tile = (head * call.region.slots + slot_of(call.region, token / TILE)) * TILE * words;
  let start = tile + (token % TILE) * select(words, 1u, call.stride == TILE);
  for (var word = lane; word < words; word += TILE) {
    let low = half_of_word(numbers[source + 2u * word]);
    let high = half_of_word(numbers[source + 2u * word + 1u]);
    rows[start + word * call.stride] = low | (high << 16u);
    if ((low & 0x7c00u) == 0x7c00u || (high & 0x7c00u) == 0x7c00u) { middles[call.mark] = 1.0; }
    if (call.is_first_key != 0u && place.x == 0u) {
      middles[head * HEAD_SIZE + 2u * word] = number_of_half(low);
      middles[head * HEAD_SIZE + 2u * word + 1u] = number_of_half(high);
    }
  }
}
