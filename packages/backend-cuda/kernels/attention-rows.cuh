// Attention of a block in float32: keys and values are loaded and decoded once for all rows of the block.
//
// Keys: a lane handles four tokens, so that a query number read from shared memory serves four products; a warp handles
// every fourth chunk of channels. Values: a thread handles eight channels of tokens at a fixed distance. Codes are exact,
// products and sums are float32: in float16, rounded queries would lose the differences between scores in the thousands,
// and weights times scales would leave the range.
#pragma once
#include "attention-scores.cuh"
#include "attention-values.cuh"
#include "attention-weights.cuh"

/** Adds up the sums of all phases and writes the statistics for combining splits. */
template <int ROWS>
__device__ inline void storeSums(const AttendArguments& args, const Work& work, const AttendShared& shared,
                                 const float (&sums)[ROWS][OCTET]) {
  const int headSize = args.value.headSize;
  const ValueShare share = valueShare(headSize);
#pragma unroll
  for (int row = 0; row < ROWS; row++) {
    if (row >= work.rows) break;
    if (share.octet < headSize / OCTET)
#pragma unroll
      for (int i = 0; i < OCTET; i++) shared.partials[share.phase * headSize + share.octet * OCTET + i] = sums[row][i];
    __syncthreads();
    const long long place = (long long)vectorOfRow(args, work, row) * args.splits + blockIdx.x;
    for (int channel = threadIdx.x; channel < headSize; channel += THREADS) {
      float sum = 0.0f;
      for (int phase = 0; phase < share.phases; phase++) sum += shared.partials[phase * headSize + channel];
      store(args.sums + place * headSize + channel, sum);
    }
    if (threadIdx.x < 2) store(args.statistics + 2 * place + threadIdx.x, threadIdx.x ? shared.total[row] : shared.largest[row]);
    __syncthreads();
  }
}

template <int ROWS>
__device__ inline void attendRows(const AttendArguments& args) {
  const AttendShared shared = attendShared(ROWS, args.key);
  const Work work = workOfBlock(args, ROWS);
  if (work.segment == args.tensorCoreSegment) return;
  float sums[ROWS][OCTET] = {};
  stageRows<ROWS>(args, work, shared);
#pragma unroll 1
  for (int tile = work.firstTile; tile < work.tokens.end; tile += TILE) {
    if (tile + TILE <= work.tokens.begin) continue;
    scoreTile<ROWS>(args.key, work, tile, shared);
    weighTile<ROWS, WARPS>(tile, args.softcap, shared);
    weighValues<ROWS>(args.value, work, tile, shared, sums);
  }
  storeSums<ROWS>(args, work, shared, sums);
}
