// Keys of any format, minus the middle of their head.
var<workgroup> middle: array<vec4f, QUADS>;

fn start_keys(head: u32, lane: u32) {
  for (var quad = lane; quad < QUADS; quad += TILE) {
    middle[quad] = middles[call.middle_start + head * QUADS + quad];
  }
  workgroupBarrier();
}

fn stage_keys(head: u32, tile: u32, slot: u32, lane: u32) {
  if (IS_KEY_CHANNEL) { stage_channel_keys(head, slot, lane); }
}

// Parameters of 16 channels, on axis token. Same as those of the unit before unless a group starts.
fn key_unit(head: u32, slot: u32, token: u32, unit: u32, before: vec2f) -> vec2f {
  if (KEY_BITS == 16u || IS_KEY_CHANNEL || !starts_group(unit)) { return before; }
  return token_key_unit(head, slot, token, unit);
}

// Four channels, from codes with one per byte, or from a row of 16-bit numbers.
fn key_quad(row: u32, bytes: u32, parameters: vec2f, token: u32, quad: u32) -> vec4f {
  if (KEY_BITS == 16u) { return exact_key_quad(row, quad); }
  if (IS_KEY_CHANNEL) { return channel_key_quad(bytes, token, quad); }
  return token_key_quad(bytes, parameters, quad);
}
