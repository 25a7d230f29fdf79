// Two float16 of a word as numbers, by the adapter's own float16.
fn halves_of(word: u32) -> vec2f {
  return vec2f(bitcast<vec2<f16>>(word));
}
