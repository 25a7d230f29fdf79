// Numbers of channels 4 * quad and up of a row in 16 bits.
fn TENSOR_exact(row: u32, quad: u32) -> vec4f {
  return vec4f(halves_of(TENSOR_word(row, 2u * quad)), halves_of(TENSOR_word(row, 2u * quad + 1u)));
}
