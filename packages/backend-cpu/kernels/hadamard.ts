/**
 * Multiplies each block of a head vector by the normalized Hadamard matrix, in place, in f32: the sums in the same order
 * as `hadamardInPlace` of `@kvtuner/quantizers`, and bit for bit its result.
 */
export function hadamard(data: usize, headSize: i32): void {
  const size = headSize & -headSize;
  const scale = 1.0 / Math.sqrt(<f64>size);
  for (let block = 0; block < headSize; block += size) {
    const start = data + (<usize>block << 2);
    for (let half = 1; half < size; half *= 2) stage(start, size, half);
    for (let index = 0; index < size; index++) {
      const at = start + (<usize>index << 2);
      store<f32>(at, <f32>(<f64>load<f32>(at) * scale));
    }
  }
}

function stage(start: usize, size: i32, half: i32): void {
  const offset = <usize>half << 2;
  for (let pair = 0; pair < size; pair += 2 * half) {
    const first = start + (<usize>pair << 2);
    if (half >= 4) quads(first, offset);
    else singles(first, offset);
  }
}

function quads(first: usize, offset: usize): void {
  for (let at = first; at < first + offset; at += 16) {
    const a = v128.load(at);
    const b = v128.load(at + offset);
    v128.store(at, f32x4.add(a, b));
    v128.store(at + offset, f32x4.sub(a, b));
  }
}

function singles(first: usize, offset: usize): void {
  for (let at = first; at < first + offset; at += 4) {
    const a = load<f32>(at);
    const b = load<f32>(at + offset);
    store<f32>(at, a + b);
    store<f32>(at + offset, a - b);
  }
}
