// The two float16 numbers of a word, unpacked by the adapter's own float16.
fn halves_of(word: u32) -> vec2f {
  return vec2f(bitcast<vec2<f16>>(word));
}
