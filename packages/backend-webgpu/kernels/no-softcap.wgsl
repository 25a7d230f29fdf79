// Scores without a cap.
fn start_cap(lane: u32) {}

fn capped(score: f32, vector: u32) -> f32 {
  return score;
}
