// Scores from unpacked keys.

// One lane handles one token and unpacks its keys once for all vectors.
fn unpacked_scores(head: u32, slot: u32, token: u32) -> array<f32, VECTORS> {
  var scores: array<f32, VECTORS>;
  let row = (head * call.key.slots + slot) * TILE * row_words(KEY_BITS, UNITS) + token;
  var parameters = vec2f();
  for (var unit = 0u; unit < UNIT_COUNT; unit++) {
    parameters = key_unit(head, slot, token, unit, parameters);
    let bytes = key_unit_bytes(row, unit);
    for (var index = 0u; index < UNIT_QUADS; index++) {
      let quad = 4u * unit + index;
      let key = key_quad(row, bytes[index], parameters, token, quad);
      for (var vector = 0u; vector < VECTOR_COUNT; vector++) {
        scores[vector] += dot(query[vector * QUADS + quad], key);
      }
    }
  }
  return scores;
}
