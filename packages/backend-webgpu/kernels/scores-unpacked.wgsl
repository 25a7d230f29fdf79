// All scores are from keys as numbers.
fn start_scores(lane: u32) {}

fn score_token(head: u32, slot: u32, token: u32) -> array<f32, VECTORS> {
  return unpacked_scores(head, slot, token);
}
