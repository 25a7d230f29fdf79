// One learned logit per query head: a score without a value.
@group(0) @binding(6) var<storage, read> sink_logits: array<f32>;

var<workgroup> products: array<f32, TILE>;

// The logit in powers of two, minus the score of the middle, as the scores of keys are. Capped scores have it.
fn sink_score(vector: u32, lane: u32) -> f32 {
  let head = vector % call.query_heads;
  let logit = LOG2_E * sink_logits[head];
  if (IS_CAPPED) { return logit; }
  var product = 0.0;
  for (var channel = lane; channel < KEY_SIZE; channel += TILE) {
    let number = bitcast<f32>(queries[call.query_start + vector * KEY_SIZE + channel]);
    product += number * middles[head / call.group * KEY_SIZE + channel];
  }
  products[lane] = product;
  workgroupBarrier();
  var sum = 0.0;
  for (var index = 0u; index < TILE; index++) { sum += products[index]; }
  return logit - call.query_factor * sum;
}
