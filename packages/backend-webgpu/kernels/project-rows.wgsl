// Changes float32 queries `[rows, heads * HEAD_SIZE]` to the basis of the channels of keys.
struct Project {
  source: u32,
  projected: u32,
  heads: u32,
  // Query heads per KV head.
  group: u32,
  // Start of the first KV head in the tables, and words per head.
  heads_start: u32,
  head_words: u32,
}

@group(0) @binding(0) var<uniform> call: Project;
@group(0) @binding(1) var<storage, read_write> numbers: array<f32>;

var<workgroup> row: array<f32, HEAD_SIZE>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (place.x * call.heads + place.y) * HEAD_SIZE;
  for (var index = lane; index < HEAD_SIZE; index += TILE) { row[index] = numbers[call.source + start + index]; }
  workgroupBarrier();
  let matrix = call.heads_start + place.y / call.group * call.head_words + 5u * HEAD_SIZE;
  for (var channel = lane; channel < HEAD_SIZE; channel += TILE) {
    var sum = 0.0;
    for (var index = 0u; index < HEAD_SIZE; index++) { sum += row[index] * table_number(matrix + channel * HEAD_SIZE + index); }
    numbers[call.projected + start + channel] = sum;
  }
}
