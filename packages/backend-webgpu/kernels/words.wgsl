// Words of a row of units: 16 channels take 1, 1.5, 2, 4 or 8 words with 2, 3, 4, 8 or 16 bits.
fn row_words(bits: u32, units: u32) -> u32 {
  if (bits == 3u) { return units + (units + 1u) / 2u; }
  return units * (bits / 2u);
}
