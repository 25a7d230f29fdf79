// Sums of channels, changed to sums of numbers; the mean counts with the weight of all coded values.
fn restore_row(vector: u32, weight: f32, lane: u32) {
  let start = call.heads_start + vector % call.query_heads / call.group * call.head_words;
  var restored = array<vec4f, LANE_QUADS>();
  workgroupBarrier();
  for (var quad = lane; quad < QUADS; quad += TILE) {
    for (var index = 0u; index < 4u; index++) {
      let channel = 4u * quad + index;
      var sum = weight * table_number(start + 4u * HEAD_SIZE + channel);
      if (call.has_matrix == 0u) { sum += row[channel]; }
      else {
        let column = start + 5u * HEAD_SIZE + channel;
        for (var place = 0u; place < HEAD_SIZE; place++) { sum += row[place] * table_number(column + place * HEAD_SIZE); }
      }
      restored[quad / TILE][index] = sum;
    }
  }
  workgroupBarrier();
  for (var quad = lane; quad < QUADS; quad += TILE) {
    for (var index = 0u; index < 4u; index++) { row[4u * quad + index] = restored[quad / TILE][index]; }
  }
}
