// Attention of up to VECTORS query vectors of one KV head over some tiles, with one format of keys and one of values.
// Writes a partial sum: the largest score, the sum of weights and the weighted values. reduce.wgsl adds the partial sums.
struct Attend {
  key: Region,
  value: Region,
  // Tiles of the call, and tiles per workgroup.
  first_tile: u32,
  end_tile: u32,
  tiles_in_split: u32,
  first_partial: u32,
  // Query vectors per KV head: `group` heads of each token.
  vectors: u32,
  group: u32,
  kv_heads: u32,
  // Start of queries and middles, in vectors of four.
  query_start: u32,
  middle_start: u32,
  // Constants in specialized kernels, which unroll their loops and drop other formats.
  key_bits: u32,
  value_bits: u32,
  is_key_channel: u32,
  unit_count: u32,
  unit_quads: u32,
  vector_count: u32,
  // The scale of scores, times log2(e).
  query_factor: f32,
  // The cap of scores, times log2(e); 0 without one. Then three words that align the next member.
  cap: f32,
  unused_0: u32,
  unused_1: u32,
  unused_2: u32,
  // Tokens that a query reads in this call, first and end; counted after the sinks, or from the first sink. Two queries
  // in each vector, for up to PIECE_TOKENS of src/device/workspace.ts.
  visible: array<vec4u, 64>,
}

@group(0) @binding(0) var<uniform> call: Attend;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> values: array<u32>;
@group(0) @binding(3) var<storage, read> queries: array<vec4f>;
@group(0) @binding(4) var<storage, read> middles: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> statistics: array<vec2f>;

// Sets of lanes that each cover a whole value, four channels a lane; tokens are dealt out among the sets. Beyond 256
// channels there is one set, and a lane has more vectors of four, TILE apart.
const SUBSETS: u32 = TILE / LANES;

// Queries, then sums.
var<workgroup> query: array<vec4f, VECTORS * MOST_QUADS>;
// Scores of a tile, then weights.
var<workgroup> weights: array<f32, VECTORS * TILE>;
var<workgroup> largest: array<f32, VECTORS>;
var<workgroup> rescale: array<f32, VECTORS>;

fn key_word(row: u32, index: u32) -> u32 {
  return keys[row + index * TILE];
}

fn value_word(row: u32, index: u32) -> u32 {
  return values[row + index];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = place.z;
  let first_vector = place.y * VECTOR_COUNT;
  let first_tile = call.first_tile + place.x * call.tiles_in_split;
  let end_tile = min(first_tile + call.tiles_in_split, call.end_tile);
  load_queries(head, first_vector, lane);
  start_keys(head, lane);
  start_scores(head, first_vector, lane);
  start_cap(lane);
  var visible: array<vec2u, VECTORS>;
  for (var vector = 0u; vector < VECTOR_COUNT; vector++) {
    let index = first_vector + vector;
    if (index < call.vectors) { visible[vector] = visible_range(index / call.group); }
  }
  var totals: array<f32, VECTORS>;
  var sums: array<vec4f, SUMS>;
  for (var tile = first_tile; tile < end_tile; tile++) {
    stage_keys(head, tile, slot_of(call.key, tile), lane);
    workgroupBarrier();
    var scores = score_token(head, slot_of(call.key, tile), lane);
    let token = tile * TILE + lane;
    for (var vector = 0u; vector < VECTOR_COUNT; vector++) {
      let is_seen = token >= visible[vector].x && token < visible[vector].y;
      scores[vector] = select(LOWEST, capped(scores[vector], vector), is_seen);
      weights[vector * TILE + lane] = scores[vector];
    }
    find_largest(lane);
    for (var vector = 0u; vector < VECTOR_COUNT; vector++) {
      let is_seen = token >= visible[vector].x && token < visible[vector].y;
      let weight = select(0.0, exp2(scores[vector] - largest[vector]), is_seen);
      totals[vector] = totals[vector] * rescale[vector] + weight;
      for (var step = 0u; step < LANE_QUADS; step++) { sums[step * VECTORS + vector] *= rescale[vector]; }
      weights[vector * TILE + lane] = weight;
    }
    workgroupBarrier();
    add_values(head, slot_of(call.value, tile), lane, &sums);
  }
  let first_partial = (call.first_partial + place.x) * call.vectors * call.kv_heads;
  write_sums(first_partial, head, first_vector, lane, &sums);
  write_statistics(first_partial, head, first_vector, lane, &totals);
}

fn visible_range(token: u32) -> vec2u {
  let pair = call.visible[token / 2u];
  return select(pair.xy, pair.zw, token % 2u == 1u);
}

// Index of a KV head's vector among the query vectors of the call: token-major, then head.
fn vector_place(head: u32, index: u32) -> u32 {
  return (index / call.group * call.kv_heads + head) * call.group + index % call.group;
}

// Queries are scaled by log2(e), because weights are powers of two.
fn load_queries(head: u32, first_vector: u32, lane: u32) {
  if (lane < VECTOR_COUNT) { largest[lane] = LOWEST; }
  for (var item = lane; item < VECTOR_COUNT * QUADS; item += TILE) {
    let index = first_vector + item / QUADS;
    query[item] = vec4f();
    if (index < call.vectors) {
      query[item] = call.query_factor * queries[call.query_start + vector_place(head, index) * QUADS + item % QUADS];
    }
  }
}

// Sums of a lane: those of a vector of four for every query vector, then those of the next.
const SUMS: u32 = LANE_QUADS * VECTORS;

// One lane handles four channels and unpacks their values once for all vectors.
fn add_values(head: u32, slot: u32, lane: u32, sums: ptr<function, array<vec4f, SUMS>>) {
  let tile = (head * call.value.slots + slot) * TILE;
  let first = select(TILE, lane / LANES, lane < SUBSETS * LANES);
  for (var token = first; token < TILE; token += SUBSETS) {
    for (var step = 0u; step < LANE_QUADS; step++) {
      let quad = lane % LANES + step * TILE;
      let value = value_quad((tile + token) * row_words(VALUE_BITS, VALUE_UNITS), head, slot * TILE + token, quad);
      for (var vector = 0u; vector < VECTOR_COUNT; vector++) {
        (*sums)[step * VECTORS + vector] += weights[vector * TILE + token] * value;
      }
    }
  }
}

// Sets of lanes add their sums in turn, reusing the memory of the queries.
fn write_sums(
  first_partial: u32, head: u32, first_vector: u32, lane: u32, sums: ptr<function, array<vec4f, SUMS>>
) {
  for (var subset = 0u; subset < SUBSETS; subset++) {
    workgroupBarrier();
    if (lane / LANES == subset) {
      for (var item = 0u; item < LANE_QUADS * VECTOR_COUNT; item++) {
        let vector = item % VECTOR_COUNT;
        let step = item / VECTOR_COUNT;
        let place = vector * VALUE_QUADS + lane % LANES + step * TILE;
        let before = select(query[place], vec4f(), subset == 0u);
        query[place] = before + (*sums)[step * VECTORS + vector];
      }
    }
  }
  workgroupBarrier();
  for (var item = lane; item < VECTOR_COUNT * VALUE_QUADS; item += TILE) {
    let index = first_vector + item / VALUE_QUADS;
    if (index < call.vectors) {
      partials[(first_partial + vector_place(head, index)) * VALUE_QUADS + item % VALUE_QUADS] = query[item];
    }
  }
}

fn write_statistics(
  first_partial: u32, head: u32, first_vector: u32, lane: u32, totals: ptr<function, array<f32, VECTORS>>
) {
  workgroupBarrier();
  for (var vector = 0u; vector < VECTOR_COUNT; vector++) { weights[vector * TILE + lane] = (*totals)[vector]; }
  workgroupBarrier();
  let index = first_vector + lane;
  if (lane >= VECTOR_COUNT || index >= call.vectors) { return; }
  var total = 0.0;
  for (var token = 0u; token < TILE; token++) { total += weights[lane * TILE + token]; }
  statistics[first_partial + vector_place(head, index)] = vec2f(largest[lane], total);
}
