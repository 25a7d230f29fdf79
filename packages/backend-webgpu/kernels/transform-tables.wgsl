// What is known about tensors of the codec `transform`, in words. Of each tensor: pairs of channels that RoPE turns, distance
// between pairs and between the channels of a pair, start of the turns, start of the KV heads, bits of a gain, two unused
// words, and 16 logarithmic gains. Of each KV head: its channels (first bit of the code, bits, start of the levels, factor of
// float16 codes), the mean, and the matrix `[channels, numbers]` if there is one.
@group(0) @binding(TABLES_BINDING) var<storage, read> tables: array<u32>;

const STEP_WORD: u32 = 1u;
const DISTANCE_WORD: u32 = 2u;
const TURNS_WORD: u32 = 3u;
const HEADS_WORD: u32 = 4u;
const GAIN_BITS_WORD: u32 = 5u;
const GAINS_WORD: u32 = 8u;

fn table_number(at: u32) -> f32 {
  return bitcast<f32>(tables[at]);
}
