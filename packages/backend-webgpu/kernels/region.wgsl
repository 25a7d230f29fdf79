// Where keys or values of one layer are: a block of codes, or of 16-bit rows, or the rows kept exact. Tiles have 64
// tokens; head after head has `slots` of them. Parameters (scales and minima) lie behind the codes.
struct Region {
  slots: u32,
  // Tile `t` is in slot `(t - offset) % ring`.
  offset: u32,
  ring: u32,
  // Word at which parameters begin, and how many of them a head has.
  parameters: u32,
  head_parameters: u32,
  // Groups of a row on axis token; of 16 << group_shift numbers.
  groups: u32,
  group_shift: u32,
  affine: u32,
}

const TILE: u32 = 64u;

fn slot_of(region: Region, tile: u32) -> u32 {
  return (tile - region.offset) % region.ring;
}
