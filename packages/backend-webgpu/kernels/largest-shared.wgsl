// Updates the largest score of each vector, and the factor for its sums so far; scores are in `weights`. First all lanes
// share the tokens of a vector, then one lane finishes each vector.
var<workgroup> part_largest: array<f32, TILE>;

fn find_largest(lane: u32) {
  workgroupBarrier();
  let lanes = TILE / VECTOR_COUNT;
  let start = (lane / lanes) * TILE + (lane % lanes) * VECTOR_COUNT;
  var part = weights[start];
  for (var index = 1u; index < VECTOR_COUNT; index++) { part = max(part, weights[start + index]); }
  part_largest[lane] = part;
  workgroupBarrier();
  if (lane < VECTOR_COUNT) {
    var whole = largest[lane];
    for (var index = 0u; index < lanes; index++) {
      whole = max(whole, part_largest[lane * lanes + index]);
    }
    rescale[lane] = exp2(largest[lane] - whole);
    largest[lane] = whole;
  }
  workgroupBarrier();
}
