// Hadamard transform of float32 rows `[rows, heads * HEAD_SIZE]` from one place in a buffer to another.
struct Rotate {
  source: u32,
  rotated: u32,
  heads: u32,
}

@group(0) @binding(0) var<uniform> call: Rotate;
@group(0) @binding(1) var<storage, read_write> numbers: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (place.x * call.heads + place.y) * HEAD_SIZE;
  for (var channel = lane; channel < HEAD_SIZE; channel += TILE) {
    row[channel] = numbers[call.source + start + channel];
  }
  rotate_row(lane);
  for (var channel = lane; channel < HEAD_SIZE; channel += TILE) {
    numbers[call.rotated + start + channel] = row[channel];
  }
}
