// Which tokens a query reads in a call. After the sinks comes the quantized prefix, then the exact tokens.
struct Prefix {
  // 0: codes, before the end of the prefix; 1: exact rows, after it.
  is_exact: u32,
  block: u32,
  recent: u32,
  padding: u32,
}

// Tokens stored as codes when `behind` tokens follow the sinks.
fn prefix_of(prefix: Prefix, behind: u32) -> u32 {
  return prefix.block * ((behind - min(behind, prefix.recent)) / prefix.block);
}

// First token that a query at a position reads in this call, and the end of its range; counted after the sinks, or from
// the first sink.
fn visible_range(position: u32) -> vec2u {
  let length = position + 1u;
  if (call.is_sinks != 0u) { return vec2u(0u, min(call.sinks, length)); }
  let behind = length - min(length, call.sinks);
  var range = vec2u(0u, behind);
  range = bounded(range, call.key_prefix, behind);
  return bounded(range, call.value_prefix, behind);
}

fn bounded(range: vec2u, prefix: Prefix, behind: u32) -> vec2u {
  let bound = prefix_of(prefix, behind);
  if (prefix.is_exact != 0u) { return vec2u(max(range.x, bound), range.y); }
  return vec2u(range.x, min(range.y, bound));
}
