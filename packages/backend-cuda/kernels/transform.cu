// Decodes codes of the codec `transform` to float32, which attention reads instead of codes.
//
// A page of codes: uint [128 tokens][kvHeads][rowWords]: a gain, then the codes of the channels, lowest bits first.
// The result: float4 [pages][kvHeads][headSize / 4][128 tokens], from page `firstDecoded` of the view on.
#include "tensor.cuh"

constexpr int DECODE_TRANSFORM_THREADS = 64;
constexpr int CHANNEL_WORDS = 4;
constexpr int LOG_GAINS = 16;

/** Written by src/store/decode-transform.ts: the same fields in the same order. */
struct TransformArguments {
  TensorView tensor;
  /** Written by src/store/transform-tables.ts. */
  const unsigned int* tables;
  /** The result; `tensor.codePages` has the codes. */
  float* decoded;
  /** First token to decode, counted after the sinks. */
  int first;
  int gainBits;
  int headWords;
  int hasMatrix;
  int pairs;
  int step;
  int distance;
};

__device__ inline float tableNumber(const unsigned int* at) { return __uint_as_float(load(at)); }

/** Up to 16 bits, which may reach into the next word. */
__device__ inline unsigned int rowField(const unsigned int* row, int bit, int width) {
  const int shift = bit % 32;
  unsigned int field = load(row + bit / 32) >> shift;
  if (shift + width > 32) field |= load(row + bit / 32 + 1) << (32 - shift);
  return field & ((1u << width) - 1);
}

__device__ inline float rowGain(const TransformArguments& args, const unsigned int* row) {
  if (args.gainBits == 0) return 1.0f;
  const unsigned int field = rowField(row, 0, args.gainBits);
  return args.gainBits == 16 ? floatFromHalf((unsigned short)field) : tableNumber(args.tables + field);
}

/** A channel at gain 1, times the factor of a diagonal rotation. */
__device__ inline float rowChannel(const TransformArguments& args, const unsigned int* channel, const unsigned int* row) {
  const int width = load(channel + 1);
  if (width == 0) return 0.0f;
  const unsigned int code = rowField(row, load(channel), width);
  if (width == 16) return tableNumber(channel + 3) * floatFromHalf((unsigned short)code);
  return tableNumber(args.tables + load(channel + 2) + code);
}

/** Turns pairs by a position. The angle is reduced in double precision, which float32 does not have for long contexts. */
__device__ inline void turnRow(const TransformArguments& args, float* row, int position) {
  constexpr double TURN = 6.283185307179586;
  for (int pair = threadIdx.x; pair < args.pairs; pair += blockDim.x) {
    const double turns = position * (double)tableNumber(args.tables + LOG_GAINS + pair) / TURN;
    const float halfTurns = (float)(2.0 * (turns - rint(turns)));
    const float cosine = cospif(halfTurns);
    const float sine = sinpif(halfTurns);
    float* one = row + args.step * pair;
    float* other = one + args.distance;
    const float before = *one;
    *one = before * cosine - *other * sine;
    *other = before * sine + *other * cosine;
  }
  __syncthreads();
}

/** Decodes token x of KV head y. */
KERNEL(decode_transform, TransformArguments, DECODE_TRANSFORM_THREADS, 1) {
  const TensorView& tensor = args.tensor;
  const int headSize = tensor.headSize;
  const int behind = args.first + blockIdx.x;
  const int place = behind % CODE_PAGE_TOKENS;
  float* channels = (float*)sharedMemory();
  float* numbers = channels + headSize;
  const unsigned int* row = (const unsigned int*)load(tensor.codePages + behind / CODE_PAGE_TOKENS) +
                            (place * tensor.kvHeads + (int)blockIdx.y) * tensor.rowWords;
  const unsigned int* table = args.tables + LOG_GAINS + args.pairs + blockIdx.y * args.headWords;
  const unsigned int* mean = table + CHANNEL_WORDS * headSize;
  const unsigned int* matrix = mean + headSize;
  const float gain = rowGain(args, row);
  for (int channel = threadIdx.x; channel < headSize; channel += blockDim.x)
    channels[channel] = gain * rowChannel(args, table + CHANNEL_WORDS * channel, row);
  __syncthreads();
  for (int index = threadIdx.x; index < headSize; index += blockDim.x) {
    float sum = args.hasMatrix ? 0.0f : channels[index];
    if (args.hasMatrix)
      for (int channel = 0; channel < headSize; channel++)
        sum = fmaf(channels[channel], tableNumber(matrix + channel * headSize + index), sum);
    numbers[index] = sum + tableNumber(mean + index);
  }
  __syncthreads();
  if (args.pairs > 0) turnRow(args, numbers, tensor.sinks + behind);
  const long long page = behind / CODE_PAGE_TOKENS - tensor.firstDecoded;
  float* head = args.decoded + (page * tensor.kvHeads + blockIdx.y) * headSize * CODE_PAGE_TOKENS;
  for (int index = threadIdx.x; index < headSize; index += blockDim.x)
    store(head + (index / 4 * CODE_PAGE_TOKENS + place) * 4 + index % 4, numbers[index]);
}
