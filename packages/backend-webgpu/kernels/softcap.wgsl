// Caps scores at cap * tanh(score / cap). The score of the middle, which keys lack, is added first.
var<workgroup> middle_scores: array<f32, VECTORS>;

fn start_cap(lane: u32) {
  if (lane >= VECTOR_COUNT) { return; }
  var score = 0.0;
  for (var quad = 0u; quad < QUADS; quad++) { score += dot(query[lane * QUADS + quad], middle[quad]); }
  middle_scores[lane] = score;
}

// Drivers' tanh may be off by 1e-5, or NaN for large numbers.
fn capped(score: f32, vector: u32) -> f32 {
  let share = (score + middle_scores[vector]) / call.cap;
  let square = share * share;
  let small = share * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0)));
  let large = 1.0 - 2.0 / (exp2(clamp(2.0 * LOG2_E * share, -40.0, 40.0)) + 1.0);
  return call.cap * select(large, small, abs(share) < 0.1);
}
