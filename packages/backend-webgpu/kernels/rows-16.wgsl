// Channels 4 * quad to 4 * quad + 3 of a 16-bit row.
fn TENSOR_exact(row: u32, quad: u32) -> vec4f {
  return vec4f(halves_of(TENSOR_word(row, 2u * quad)), halves_of(TENSOR_word(row, 2u * quad + 1u)));
}
