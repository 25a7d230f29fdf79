// Sums of transformed values, transformed back.
fn restore_row(vector: u32, weight: f32, lane: u32) {
  rotate_row(lane);
}
