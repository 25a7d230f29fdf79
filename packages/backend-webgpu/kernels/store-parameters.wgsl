// Writes scale and minimum of one group. Two symmetric scales share a word; each invocation changes its own half only.
fn store_parameters(entry: u32, scale: u32, minimum: u32) {
  let start = call.codes.parameters;
  if (call.codes.affine != 0u) {
    atomicStore(&codes[start + entry], scale | (minimum << 16u));
    return;
  }
  let shift = 16u * (entry % 2u);
  atomicAnd(&codes[start + entry / 2u], ~(0xffffu << shift));
  atomicOr(&codes[start + entry / 2u], scale << shift);
}
