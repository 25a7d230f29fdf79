// Causal attention of new tokens over a layer. One kernel serves decoding, split as in flash-decoding, and prefill in
// tiles of rows.
//
// A row is a query head of a new token. A block handles up to ROWS rows of one KV head and one split of the tokens, so
// that keys and values are read once for all of its rows. reduce_splits combines the splits.
#include "attention-rows.cuh"

KERNEL(attend_1_row, AttendArguments, THREADS, 4) { attendRows<1>(args); }
KERNEL(attend_4_rows, AttendArguments, THREADS, 4) { attendRows<4>(args); }
KERNEL(attend_8_rows, AttendArguments, THREADS, 3) { attendRows<8>(args); }

/** Combines the splits of a head vector, one block each. A sink logit is a score without a value. */
KERNEL(reduce_splits, AttendArguments, THREADS, 1) {
  float* plain = (float*)sharedMemory();
  const int headSize = args.value.headSize;
  float* rotated = plain + headSize;
  const float* statistics = args.statistics + 2ll * blockIdx.x * args.splits;
  const float* sums = args.sums + (long long)blockIdx.x * args.splits * headSize;
  const int queryHeads = args.key.kvHeads * args.queryHeadsPerKvHead;
  const float sink = args.sinkLogits ? load(args.sinkLogits + blockIdx.x % queryHeads) : NOTHING;
  float largest = sink;
  for (int split = 0; split < args.splits; split++) largest = fmaxf(largest, load(statistics + 2 * split));
  float total = args.sinkLogits ? __expf(sink - largest) : 0.0f;
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
