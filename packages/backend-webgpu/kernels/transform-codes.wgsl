// Rows of codes of the codec `transform`. In their regions, `parameters` is the start of the tables, `head_parameters` counts
// the words of a head there, and `groups` those of a row.
fn TENSOR_row(head: u32, token: u32) -> u32 {
  return (head * TENSOR_REGION.slots * TILE + token) * TENSOR_REGION.groups;
}

fn TENSOR_head(head: u32) -> u32 {
  return tables[TENSOR_REGION.parameters + HEADS_WORD] + head * TENSOR_REGION.head_parameters;
}

// Up to 16 bits, which may reach into the next word.
fn TENSOR_field(row: u32, bit: u32, width: u32) -> u32 {
  let word = row + bit / 32u;
  let shift = bit % 32u;
  var field = TENSOR_DATA[word] >> shift;
  if (shift + width > 32u) { field |= TENSOR_DATA[word + 1u] << (32u - shift); }
  return field & ((1u << width) - 1u);
}

fn TENSOR_gain(row: u32) -> f32 {
  let width = tables[TENSOR_REGION.parameters + GAIN_BITS_WORD];
  if (width == 0u) { return 1.0; }
  let field = TENSOR_field(row, 0u, width);
  if (width == 16u) { return number_of_half(field); }
  return table_number(TENSOR_REGION.parameters + GAINS_WORD + field);
}

// A channel at gain 1, times the factor of a diagonal rotation.
fn TENSOR_channel(start: u32, row: u32, place: u32) -> f32 {
  let channel = start + 4u * place;
  let width = tables[channel + 1u];
  if (width == 0u) { return 0.0; }
  let code = TENSOR_field(row, tables[channel], width);
  if (width == 16u) { return table_number(channel + 3u) * number_of_half(code); }
  return table_number(tables[channel + 2u] + code);
}
