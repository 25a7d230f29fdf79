// Updates the largest score of each vector, and the factor for its sums so far; scores are in `weights`. Each subgroup
// reduces its lanes, and an atomic combines the subgroups, because WGSL defines neither the lanes of a subgroup nor the
// number of subgroups. The initial zero of workgroup memory is below every number.
var<workgroup> largest_places: array<atomic<u32>, VECTORS>;

fn find_largest(lane: u32) {
  let is_elected = subgroupElect();
  for (var vector = 0u; vector < VECTOR_COUNT; vector++) {
    let part = subgroupMax(weights[vector * TILE + lane]);
    if (is_elected) { atomicMax(&largest_places[vector], place_in_order(part)); }
  }
  workgroupBarrier();
  if (lane < VECTOR_COUNT) {
    let whole = number_in_order(atomicLoad(&largest_places[lane]));
    rescale[lane] = exp2(largest[lane] - whole);
    largest[lane] = whole;
  }
  workgroupBarrier();
}

// Maps numbers to integers in the same order: atomics have no maximum of floats.
fn place_in_order(x: f32) -> u32 {
  let word = bitcast<u32>(x);
  return select(word | 0x80000000u, ~word, (word & 0x80000000u) != 0u);
}

fn number_in_order(place: u32) -> f32 {
  return bitcast<f32>(select(~place, place & 0x7fffffffu, (place & 0x80000000u) != 0u));
}
