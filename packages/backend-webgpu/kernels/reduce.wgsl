// Adds up the partial sums of one query vector, rotates those of rotated values back, and divides by the sum of weights.
struct Reduce {
  // Partial sums: the first ones are of rotated values.
  partials: u32,
  rotated: u32,
  vectors: u32,
}

@group(0) @binding(0) var<uniform> call: Reduce;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(local_invocation_index) lane: u32) {
  let vector = place.x;
  var largest = -3.0e38;
  for (var partial = 0u; partial < call.partials; partial++) {
    largest = max(largest, statistics[partial * call.vectors + vector].x);
  }
  var total = 0.0;
  var sums = array<vec4f, 2>();
  for (var partial = 0u; partial < call.partials; partial++) {
    let index = partial * call.vectors + vector;
    let weight = exp2(statistics[index].x - largest);
    total += weight * statistics[index].y;
    if (lane < QUADS) { sums[select(1u, 0u, partial < call.rotated)] += weight * partials[index * QUADS + lane]; }
  }
  if (lane < QUADS) {
    for (var index = 0u; index < 4u; index++) { row[4u * lane + index] = sums[0][index]; }
  }
  if (call.rotated > 0u) { rotate_row(lane); }
  if (lane < QUADS) {
    for (var index = 0u; index < 4u; index++) {
      outputs[vector * HEAD_SIZE + 4u * lane + index] = (row[4u * lane + index] + sums[1][index]) / total;
    }
  }
}
