// Scores of keys that are stored before RoPE: each is turned by its position. A turn is a cosine and a sine; those of a
// tile's digits are multiplied once, and then with that of the token in its tile.
var<workgroup> turns: array<vec2f, HEAD_SIZE / 2u>;

fn start_scores(head: u32, first_vector: u32, lane: u32) {}

fn stage_keys(head: u32, tile: u32, slot: u32, lane: u32) {
  let pairs = tables[call.key.parameters];
  let digits = tables[call.key.parameters + TURNS_WORD] + 2u * pairs * TILE;
  for (var pair = lane; pair < pairs; pair += TILE) {
    let low = turn_at(digits + 2u * (tile % 64u * pairs + pair));
    let upper = turn_at(digits + 2u * ((64u + tile / 64u % 64u) * pairs + pair));
    let high = turn_at(digits + 2u * ((128u + tile / 4096u) * pairs + pair));
    turns[pair] = turned(turned(low, upper), high);
  }
}

fn turn_at(start: u32) -> vec2f {
  return vec2f(table_number(start), table_number(start + 1u));
}

// A pair turned.
fn turned(pair: vec2f, turn: vec2f) -> vec2f {
  return vec2f(pair.x * turn.x - pair.y * turn.y, pair.x * turn.y + pair.y * turn.x);
}

fn score_token(head: u32, slot: u32, token: u32) -> array<f32, VECTORS> {
  var scores: array<f32, VECTORS>;
  let start = key_head(head);
  start_numbers(start, key_row(head, slot * TILE + token));
  let pairs = tables[call.key.parameters];
  let step = tables[call.key.parameters + STEP_WORD];
  let distance = tables[call.key.parameters + DISTANCE_WORD];
  let in_tile = tables[call.key.parameters + TURNS_WORD] + 2u * token;
  for (var pair = 0u; pair < pairs; pair++) {
    let one = step * pair;
    let before = vec2f(key_number(start, one), key_number(start, one + distance));
    let after = turned(before, turned(turns[pair], turn_at(in_tile + 2u * pair * TILE)));
    add_scores(&scores, one, after.x);
    add_scores(&scores, one + distance, after.y);
  }
  for (var index = 2u * pairs; index < HEAD_SIZE; index++) { add_scores(&scores, index, key_number(start, index)); }
  return scores;
}

fn add_scores(scores: ptr<function, array<f32, VECTORS>>, index: u32, key: f32) {
  let number = key - middle[index / 4u][index % 4u];
  for (var vector = 0u; vector < VECTOR_COUNT; vector++) {
    (*scores)[vector] += query[vector * QUADS + index / 4u][index % 4u] * number;
  }
}
