// Words of a row: 16 channels take 1, 1.5, 2, 4 or 8 words with 2, 3, 4, 8 or 16 bits.
fn row_words(bits: u32) -> u32 {
  if (bits == 3u) { return UNITS + (UNITS + 1u) / 2u; }
  return UNITS * (bits / 2u);
}
