// Keys in 16 bits.
fn exact_key_quad(row: u32, quad: u32) -> vec4f {
  return key_exact(row, quad) - middle[quad];
}
