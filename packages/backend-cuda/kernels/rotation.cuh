// The normalized Hadamard transform of a head vector, its own inverse.
#pragma once
#include "device.cuh"

/**
 * Transforms a head vector in shared memory, in blocks of the largest power of two that divides its size. All threads of
 * the block take part; the row is synchronized before and after. Uses the same order of operations as
 * @kvtuner/quantizers, and its one product in double precision, so that codes are equal bit for bit.
 */
__device__ inline void rotateRow(float* row, int headSize) {
  const int size = headSize & -headSize;
  for (int half = 1; half < size; half *= 2) {
    for (int pair = threadIdx.x; pair < headSize / 2; pair += blockDim.x) {
      const int first = pair / half * 2 * half + pair % half;
      const float a = row[first];
      const float b = row[first + half];
      row[first] = a + b;
      row[first + half] = a - b;
    }
    __syncthreads();
  }
  const double scale = 1.0 / sqrt((double)size);
  for (int channel = threadIdx.x; channel < headSize; channel += blockDim.x)
    row[channel] = (float)((double)row[channel] * scale);
  __syncthreads();
}
