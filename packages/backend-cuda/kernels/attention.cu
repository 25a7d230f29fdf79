// Causal attention of new tokens over a layer: flash-decoding, and prefill in tiles of rows, by one kernel.
//
// A row is a query head of a new token. A block takes up to ROWS rows of one KV head and one split of the context, so that
// keys and values are loaded, unpacked and decoded once for all of its rows; splits are put together by reduce_splits.
// Keys: a lane takes four tokens, so that a number of a query, read from shared memory, serves four products; a warp takes
// every fourth chunk of channels. Values: a thread takes eight channels of every so manieth token. Codes are exact, products
// and sums in float32: queries rounded to float16 lose what distinguishes scores of thousands, and weights times scales
// would leave its range.
#include "attention-scores.cuh"
#include "attention-values.cuh"
#include "attention-weights.cuh"

/** The sums of all phases together, and what the other splits have to know. */
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
  float sums[ROWS][OCTET] = {};
  stageRows<ROWS>(args, work, shared);
#pragma unroll 1
  for (int tile = work.firstTile; tile < work.tokens.end; tile += TILE) {
    if (tile + TILE <= work.tokens.begin) continue;
    scoreTile<ROWS>(args.key, work, tile, shared);
    weighTile<ROWS>(tile, shared);
    weighValues<ROWS>(args.value, work, tile, shared, sums);
  }
  storeSums<ROWS>(args, work, shared, sums);
}

KERNEL(attend_1_row, AttendArguments, THREADS, 4) { attendRows<1>(args); }
KERNEL(attend_4_rows, AttendArguments, THREADS, 4) { attendRows<4>(args); }
KERNEL(attend_8_rows, AttendArguments, THREADS, 3) { attendRows<8>(args); }

/** Puts the splits of a head vector together, block x of them all. */
KERNEL(reduce_splits, AttendArguments, THREADS, 1) {
  float* plain = (float*)sharedMemory();
  float* rotated = plain + MAX_HEAD_SIZE;
  const int headSize = args.value.headSize;
  const float* statistics = args.statistics + 2ll * blockIdx.x * args.splits;
  const float* sums = args.sums + (long long)blockIdx.x * args.splits * headSize;
  float largest = NOTHING;
  for (int split = 0; split < args.splits; split++) largest = fmaxf(largest, load(statistics + 2 * split));
  float total = 0.0f;
  for (int split = 0; split < args.splits; split++)
    total += load(statistics + 2 * split + 1) * __expf(load(statistics + 2 * split) - largest);
  for (int channel = threadIdx.x; channel < headSize; channel += THREADS) {
    float parts[2] = {0.0f, 0.0f};
    for (int segment = 0, split = 0; segment < SEGMENTS; segment++)
      for (int end = split + args.segmentSplits[segment]; split < end; split++)
        parts[segmentAt(segment).isValueCoded] +=
            load(sums + split * headSize + channel) * __expf(load(statistics + 2 * split) - largest);
    plain[channel] = parts[0];
    rotated[channel] = parts[1];
  }
  __syncthreads();
  if (args.value.isRotated) rotateRow(rotated, headSize);
  for (int channel = threadIdx.x; channel < headSize; channel += THREADS)
    store(args.output + (long long)blockIdx.x * headSize + channel, (plain[channel] + rotated[channel]) / total);
}
