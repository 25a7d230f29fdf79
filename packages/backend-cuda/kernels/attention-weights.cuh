// The softmax of a tile, continuing those before it.
#pragma once
#include "attention-block.cuh"

__device__ inline float warpMaximum(float number) {
  for (int step = WARP_SIZE / 2; step > 0; step /= 2) number = fmaxf(number, __shfl_xor_sync(0xffffffffu, number, step));
  return number;
}

__device__ inline float warpSum(float number) {
  for (int step = WARP_SIZE / 2; step > 0; step /= 2) number += __shfl_xor_sync(0xffffffffu, number, step);
  return number;
}

__device__ inline float cappedScore(float score, float softcap) {
  return softcap > 0.0f ? softcap * tanhf(score / softcap) : score;
}

/**
 * Turns a tile's scores into weights relative to the largest score so far, in the place of their first part. A warp
 * handles a row. Scores consist of PARTS partial sums, one for each warp with channels of its own.
 */
template <int ROWS, int PARTS>
__device__ inline void weighTile(int tile, float softcap, const AttendShared& shared) {
  const int lane = threadIdx.x % WARP_SIZE;
#pragma unroll 1
  for (int row = threadIdx.x / WARP_SIZE; row < ROWS; row += WARPS) {
    float* scores = shared.partials + row * TILE + lane;
    float sums[LANE_TOKENS];
    float largest = shared.largest[row];
#pragma unroll
    for (int token = 0; token < LANE_TOKENS; token++) {
      const int position = tile + lane + WARP_SIZE * token;
      const bool isSeen = position >= shared.begin[row] && position < shared.end[row];
      float sum = scores[WARP_SIZE * token];
#pragma unroll
      for (int part = 1; part < PARTS; part++) sum += scores[WARP_SIZE * token + part * ROWS * TILE];
      sums[token] = isSeen ? cappedScore(sum, softcap) : NOTHING;
      largest = fmaxf(largest, sums[token]);
    }
    largest = warpMaximum(largest);
    float total = 0.0f;
#pragma unroll
    for (int token = 0; token < LANE_TOKENS; token++) {
      const float weight = sums[token] == NOTHING ? 0.0f : __expf(sums[token] - largest);
      scores[WARP_SIZE * token] = weight;
      total += weight;
    }
    total = warpSum(total);
    if (lane == 0) {
      const float correction = __expf(shared.largest[row] - largest);
      shared.correction[row] = correction;
      shared.total[row] = shared.total[row] * correction + total;
      shared.largest[row] = largest;
    }
    __syncwarp();
  }
  __syncthreads();
}
