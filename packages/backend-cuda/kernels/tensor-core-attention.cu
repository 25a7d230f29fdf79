// Attention of a block on tensor cores, for tokens whose keys and values are both codes; the float32 kernel handles all
// others. Off until it has passed on a GPU: src/store/tensor-core-check.ts compares it with that kernel before use.
#include "attention-weights.cuh"
#include "tensor-core-scores.cuh"
#include "tensor-core-values.cuh"

/**
 * Writes a lane's sums, which it shares with no other lane except for the biases, and the statistics for combining
 * splits.
 */
template <int WIDTH>
__device__ inline void storeValueSums(const AttendArguments& args, const Work& work, const AttendShared& shared, const ValueSums& sums) {
  const int headSize = args.value.headSize;
  const int lane = threadIdx.x % WARP_SIZE;
  const int row = lane / QUAD_LANES;
  const long long place = (long long)vectorOfRow(args, work, row) * args.splits + blockIdx.x;
#pragma unroll
  for (int index = 0; index < WARP_PRODUCTS / WIDTH; index++) {
    const int block = threadIdx.x / WARP_SIZE + WARPS * index;
    if (block >= headSize / (TENSOR_COLUMNS * WIDTH)) break;
    const float bias = quadSum(sums.biases[index]);
    const int channel = block * TENSOR_COLUMNS * WIDTH + lane % QUAD_LANES * 2 * WIDTH;
    if (row >= work.rows) continue;
#pragma unroll
    for (int i = 0; i < 2 * WIDTH; i++)
      store(args.sums + place * headSize + channel + i, sums.products[index * WIDTH + i % WIDTH][i / WIDTH] + bias);
  }
  if ((int)threadIdx.x >= 2 * work.rows) return;
  const int told = threadIdx.x / 2;
  const long long toldPlace = (long long)vectorOfRow(args, work, told) * args.splits + blockIdx.x;
  store(args.statistics + 2 * toldPlace + threadIdx.x % 2, threadIdx.x % 2 ? shared.total[told] : shared.largest[told]);
}

KERNEL(attend_8_rows_on_tensor_cores, AttendArguments, THREADS, 3) {
  const Work work = workOfBlock(args, TENSOR_ROWS);
  if (work.segment != args.tensorCoreSegment) return;
  const AttendShared shared = attendShared(TENSOR_ROWS, args.key);
  float* laneQueries = shared.partials + TENSOR_ROWS * TILE;  // in the place of other warps' scores
  ValueSums sums = {};
  stageRows<TENSOR_ROWS>(args, work, shared);
  stageLaneQueries(laneQueries, shared.query, args.key.headSize);
#pragma unroll 1
  for (int tile = work.firstTile; tile < work.tokens.end; tile += TILE) {
    if (tile + TILE <= work.tokens.begin) continue;
    scoreTileOnTensorCores(args.key, work, tile, shared, laneQueries);
    weighTile<TENSOR_ROWS, 1>(tile, args.softcap, shared);
    correctSums(sums, shared);
    if (isWide(args.value)) weighValuesOnTensorCores<4>(args.value, work, tile, shared, sums);
    else weighValuesOnTensorCores<2>(args.value, work, tile, shared, sums);
    __syncthreads();
  }
  if (isWide(args.value)) storeValueSums<4>(args, work, shared, sums);
  else storeValueSums<2>(args, work, shared, sums);
}
