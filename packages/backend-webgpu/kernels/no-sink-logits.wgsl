// No sink takes a share of the weights.
fn sink_score(vector: u32, lane: u32) -> f32 {
  return LOWEST;
}
