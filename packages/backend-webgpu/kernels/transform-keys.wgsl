// Scores of capped layers have the middle's; those of others do not.
var<workgroup> middle: array<vec4f, QUADS>;

fn start_keys(head: u32, lane: u32) {
  for (var quad = lane; quad < QUADS; quad += TILE) {
    middle[quad] = select(middles[call.middle_start + head * QUADS + quad], vec4f(), IS_CAPPED);
  }
  workgroupBarrier();
}
