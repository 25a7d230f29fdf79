/** Size of the blocks of a head vector to transform: the largest power of two that divides the head size. */
export const hadamardBlockSize = (headSize: number): number => headSize & -headSize;

/**
 * Multiplies each block of one head vector by the normalized Hadamard matrix `H / sqrt(n)`, in place and in float32.
 * The transform is its own inverse and keeps lengths. The vector is `data[offset .. offset + headSize - 1]`.
 */
export const hadamardInPlace = (data: Float32Array, offset: number, headSize: number): void => {
  const size = hadamardBlockSize(headSize);
  const scale = 1 / Math.sqrt(size);
  for (let block = offset; block < offset + headSize; block += size) {
    butterflies(data, block, size);
    for (let index = block; index < block + size; index++) data[index] = data[index]! * scale;
  }
};

/** Two stages per pass halve the memory traffic. An odd first stage runs alone. */
const butterflies = (data: Float32Array, start: number, size: number): void => {
  let half = 1;
  if (Math.log2(size) % 2 === 1) {
    firstStage(data, start, size);
    half = 2;
  }
  for (; half < size; half *= 4) twoStages(data, start, size, half);
};

const firstStage = (data: Float32Array, start: number, size: number): void => {
  for (let index = start; index < start + size; index += 2) {
    const a = data[index]!;
    const b = data[index + 1]!;
    data[index] = a + b;
    data[index + 1] = a - b;
  }
};

const twoStages = (data: Float32Array, start: number, size: number, half: number): void => {
  for (let quad = start; quad < start + size; quad += 4 * half)
    for (let index = quad; index < quad + half; index++) {
      const a = data[index]!;
      const b = data[index + half]!;
      const c = data[index + 2 * half]!;
      const d = data[index + 3 * half]!;
      const sumAB = Math.fround(a + b);
      const sumCD = Math.fround(c + d);
      const differenceAB = Math.fround(a - b);
      const differenceCD = Math.fround(c - d);
      data[index] = sumAB + sumCD;
      data[index + half] = differenceAB + differenceCD;
      data[index + 2 * half] = sumAB - sumCD;
      data[index + 3 * half] = differenceAB - differenceCD;
    }
};

/** The rows of `x`, `[tokens, headSize]`, each transformed, in a new array. */
export const transformed = (x: Float32Array, headSize: number): Float32Array => {
  const rotated = x.slice();
  for (let offset = 0; offset < x.length; offset += headSize) hadamardInPlace(rotated, offset, headSize);
  return rotated;
};
