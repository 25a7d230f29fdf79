// Scores of keys that no position turns. Queries are in the basis of the channels; `offsets` are their products with the mean
// minus the middle.
var<workgroup> offsets: array<f32, VECTORS>;

fn start_scores(head: u32, first_vector: u32, lane: u32) {
  let index = first_vector + lane;
  if (lane >= VECTOR_COUNT || index >= call.vectors) { return; }
  let mean = key_head(head) + 4u * HEAD_SIZE;
  let start = vector_place(head, index) * QUADS;
  var sum = 0.0;
  for (var quad = 0u; quad < QUADS; quad++) {
    var four = vec4f();
    for (var place = 0u; place < 4u; place++) { four[place] = table_number(mean + 4u * quad + place); }
    sum += dot(queries[start + quad], four - middle[quad]);
  }
  offsets[lane] = call.query_factor * sum;
}

fn stage_keys(head: u32, tile: u32, slot: u32, lane: u32) {}

fn score_token(head: u32, slot: u32, token: u32) -> array<f32, VECTORS> {
  var scores: array<f32, VECTORS>;
  let row = key_row(head, slot * TILE + token);
  let start = key_head(head);
  for (var quad = 0u; quad < QUADS; quad++) {
    var four = vec4f();
    for (var place = 0u; place < 4u; place++) { four[place] = key_channel(start, row, 4u * quad + place); }
    for (var vector = 0u; vector < VECTOR_COUNT; vector++) { scores[vector] += dot(query[vector * QUADS + quad], four); }
  }
  let gain = key_gain(row);
  for (var vector = 0u; vector < VECTOR_COUNT; vector++) { scores[vector] = gain * scores[vector] + offsets[vector]; }
  return scores;
}
