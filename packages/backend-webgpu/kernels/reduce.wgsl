// Adds the partial sums of one query vector, transforms those of transformed values back, and divides by the sum of
// weights, the sink's included. Outputs are NaN if the query, or any number of the layer, is NaN or infinite. This is explicit because drivers
// may compute as if such numbers did not exist.
struct Reduce {
  // Partial sums; those of transformed values come first.
  partials: u32,
  rotated: u32,
  vectors: u32,
  query_start: u32,
  mark: u32,
  query_heads: u32,
  // Query heads per KV head.
  group: u32,
  // The scale of scores, times log2(e).
  query_factor: f32,
  // Of values of the codec `transform`: start of the first KV head in the tables, words per head, and whether they have a matrix.
  heads_start: u32,
  head_words: u32,
  has_matrix: u32,
}

const NAN: u32 = 0x7fc00000u;

@group(0) @binding(0) var<uniform> call: Reduce;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(3) var<storage, read> queries: array<u32>;
@group(0) @binding(4) var<storage, read> middles: array<f32>;
@group(0) @binding(5) var<storage, read_write> outputs: array<u32>;

var<workgroup> is_poisoned: atomic<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(local_invocation_index) lane: u32) {
  let vector = place.x;
  find_poison(vector, lane);
  let sink = sink_score(vector, lane);
  var largest = sink;
  for (var partial = 0u; partial < call.partials; partial++) {
    largest = max(largest, statistics[partial * call.vectors + vector].x);
  }
  var total = exp2(sink - largest);
  var transformed = 0.0;
  // Of transformed values and of others, for each of the lane's vectors of four.
  var sums = array<vec4f, 2u * LANE_QUADS>();
  for (var partial = 0u; partial < call.partials; partial++) {
    let index = partial * call.vectors + vector;
    let weight = exp2(statistics[index].x - largest);
    total += weight * statistics[index].y;
    if (partial < call.rotated) { transformed += weight * statistics[index].y; }
    let kind = select(1u, 0u, partial < call.rotated);
    for (var step = 0u; step < LANE_QUADS; step++) {
      let quad = lane + step * TILE;
      if (quad < QUADS) { sums[2u * step + kind] += weight * partials[index * QUADS + quad]; }
    }
  }
  for (var quad = lane; quad < QUADS; quad += TILE) {
    for (var index = 0u; index < 4u; index++) { row[4u * quad + index] = sums[2u * (quad / TILE)][index]; }
  }
  if (call.rotated > 0u) { restore_row(vector, transformed, lane); }
  workgroupBarrier();
  let poison = atomicLoad(&is_poisoned);
  for (var quad = lane; quad < QUADS; quad += TILE) {
    for (var index = 0u; index < 4u; index++) {
      let output = (row[4u * quad + index] + sums[2u * (quad / TILE) + 1u][index]) / total;
      outputs[vector * HEAD_SIZE + 4u * quad + index] = select(bitcast<u32>(output), NAN, poison != 0u);
    }
  }
}

fn find_poison(vector: u32, lane: u32) {
  var found = u32(middles[call.mark] != 0.0);
  for (var channel = lane; channel < KEY_SIZE; channel += TILE) {
    let word = queries[call.query_start + vector * KEY_SIZE + channel];
    found |= u32((word & 0x7f800000u) == 0x7f800000u);
  }
  atomicOr(&is_poisoned, found);
}
