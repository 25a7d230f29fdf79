// The two float16 numbers of a word.
fn halves_of(word: u32) -> vec2f {
  return vec2f(number_of_half(word & 0xffffu), number_of_half(word >> 16u));
}
