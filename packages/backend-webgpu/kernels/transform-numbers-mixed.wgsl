// Numbers of keys before RoPE that are sums of all channels.
var<private> channels: array<f32, HEAD_SIZE>;

fn start_numbers(start: u32, row: u32) {
  let gain = key_gain(row);
  for (var place = 0u; place < 16u * call.unit_count; place++) { channels[place] = gain * key_channel(start, row, place); }
}

fn key_number(start: u32, index: u32) -> f32 {
  var number = table_number(start + 4u * HEAD_SIZE + index);
  let column = start + 5u * HEAD_SIZE + index;
  for (var place = 0u; place < 16u * call.unit_count; place++) { number += channels[place] * table_number(column + place * HEAD_SIZE); }
  return number;
}
