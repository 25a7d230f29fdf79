// The largest score of each vector so far, and what sums up to here have to be multiplied by; scores are in `weights`.
// Each subgroup finds the largest of its lanes, then one lane takes a vector.
const MOST_SUBGROUPS: u32 = 16u;

var<workgroup> part_largest: array<f32, VECTORS * MOST_SUBGROUPS>;

fn find_largest(lane: u32) {
  let lanes = subgroupAdd(1u);
  let first = subgroupMin(lane);
  for (var vector = 0u; vector < VECTOR_COUNT; vector++) {
    let part = subgroupMax(weights[vector * TILE + lane]);
    if (lane == first) { part_largest[vector * MOST_SUBGROUPS + lane / lanes] = part; }
  }
  let subgroups = TILE / lanes;
  workgroupBarrier();
  if (lane < VECTOR_COUNT) {
    var whole = largest[lane];
    for (var index = 0u; index < subgroups; index++) {
      whole = max(whole, part_largest[lane * MOST_SUBGROUPS + index]);
    }
    rescale[lane] = exp2(largest[lane] - whole);
    largest[lane] = whole;
  }
  workgroupBarrier();
}
