// Numbers of keys before RoPE that are their channels.
var<private> own_row: u32;
var<private> own_gain: f32;

fn start_numbers(start: u32, row: u32) {
  own_row = row;
  own_gain = key_gain(row);
}

fn key_number(start: u32, index: u32) -> f32 {
  return own_gain * key_channel(start, own_row, index) + table_number(start + 4u * HEAD_SIZE + index);
}
