// One word of a row of codes, in the layout of codes.wgsl; code_at returns the code of a channel.
fn packed_word(bits: u32, word: u32) -> u32 {
  var quads = 8u / bits;
  var step = bits;
  var index = word;
  var drop = 0u;
  var keep = 0xffu;
  if (bits == 3u) {
    let is_upper = word >= UNITS;
    quads = select(4u, 8u, is_upper);
    step = select(2u, 1u, is_upper);
    index = select(word, word - UNITS, is_upper);
    drop = select(0u, 2u, is_upper);
    keep = select(3u, 1u, is_upper);
  }
  var packed = 0u;
  for (var quad = 0u; quad < quads; quad++) {
    for (var lane = 0u; lane < 4u; lane++) {
      let channel = 4u * (index * quads + quad) + lane;
      if (channel < HEAD_SIZE) {
        packed |= ((code_at(channel) >> drop) & keep) << (8u * lane + step * quad);
      }
    }
  }
  return packed;
}
