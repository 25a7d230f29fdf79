// Location of keys or values of one layer: a block of codes, a block of 16-bit rows, or the exact rows. A tile has 64
// tokens; each head has `slots` tiles. Parameters (scales and minima) follow the codes.
struct Region {
  slots: u32,
  // Tile `t` is in slot `(t - offset) % ring`.
  offset: u32,
  ring: u32,
  // Word of the first parameter, and parameters per head.
  parameters: u32,
  head_parameters: u32,
  // Groups per row on axis token, each of 16 << group_shift numbers.
  groups: u32,
  group_shift: u32,
  affine: u32,
}

const TILE: u32 = 64u;

fn slot_of(region: Region, tile: u32) -> u32 {
  return (tile - region.offset) % region.ring;
}
