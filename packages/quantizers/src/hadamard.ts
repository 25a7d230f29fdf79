/** Size of the blocks that a head vector is transformed in: the largest power of two that divides the head size. */
export const hadamardBlockSize = (headSize: number): number => headSize & -headSize;

/**
 * Multiplies each block of one head vector by the normalized Hadamard matrix `H / sqrt(n)`, in place and in float32.
 * The transform is its own inverse and keeps lengths. `data[offset .. offset + headSize - 1]` is the vector.
 */
export const hadamardInPlace = (data: Float32Array, offset: number, headSize: number): void => {
  const size = hadamardBlockSize(headSize);
  const scale = 1 / Math.sqrt(size);
  for (let block = offset; block < offset + headSize; block += size) {
    butterflies(data, block, size);
    for (let index = block; index < block + size; index++) data[index] = data[index]! * scale;
  }
};

const butterflies = (data: Float32Array, start: number, size: number): void => {
  for (let half = 1; half < size; half *= 2)
    for (let pair = start; pair < start + size; pair += 2 * half)
      for (let index = pair; index < pair + half; index++) {
        const a = data[index]!;
        const b = data[index + half]!;
        data[index] = a + b;
        data[index + half] = a - b;
      }
};

/** The rows of `x`, `[tokens, headSize]`, transformed one by one into a new array. */
export const transformed = (x: Float32Array, headSize: number): Float32Array => {
  const rotated = x.slice();
  for (let offset = 0; offset < x.length; offset += headSize) hadamardInPlace(rotated, offset, headSize);
  return rotated;
};
