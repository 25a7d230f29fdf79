// Causal attention of new tokens over a layer: flash-decoding, and prefill in tiles of rows, by one kernel.
//
// A row is a query head of a new token. A block takes up to ROWS rows of one KV head and one split of the context, so that
// keys and values are loaded, unpacked and decoded once for all of its rows; splits are put together by reduce_splits.
// Keys: a lane takes four tokens, so that a number of a query, read from shared memory, serves four products; a warp takes
// every fourth chunk of channels. Values: a thread takes eight channels of every so manieth token. Codes are exact, products
// and sums in float32: queries rounded to float16 lose what distinguishes scores of thousands, and weights times scales
// would leave its range.
#include "codes.cuh"
#include "rotation.cuh"
#include "segments.cuh"

constexpr int THREADS = 128;
constexpr int WARPS = THREADS / WARP_SIZE;
constexpr int TILE = CODE_PAGE_TOKENS;
constexpr int QUAD = 4;
constexpr int LANE_TOKENS = TILE / WARP_SIZE;
constexpr float NOTHING = -3.0e38f;

/** Written by src/store/attend.ts: the same fields in the same order. */
struct AttendArguments {
  TensorView key;
  TensorView value;
  /** float32 `[tokens, kvHeads * headsPerGroup * headSize]` */
  const float* query;
  /** float32 `[rows, splits, headSize]`: sums of weighted values, not yet divided; of rotated ones where values are coded so. */
  float* sums;
  /** float32 `[rows, splits, 2]`: largest score and sum of weights. */
  float* statistics;
  /** float32 `[tokens, kvHeads * headsPerGroup * headSize]` */
  float* output;
  int tokens;
  /** Tokens that the first query of the launch sees beside itself. */
  int before;
  int headsPerGroup;
  int splitTokens;
  /** Splits of each segment. */
  int segmentSplits[SEGMENTS];
  int splits;
};

/** A block's shared memory, in this order; src/store/attend.ts asks for as much. */
struct AttendShared {
  float* query;       // [ROWS][headSize], times 1 / sqrt(headSize)
  float* scales;      // [groups of a page][headSize], axis channel
  float* minima;
  float* partials;    // [WARPS][ROWS][TILE] scores, then weights in the first of them; in the end sums of one row
  float* largest;     // [ROWS] largest score so far
  float* total;       // [ROWS] sum of weights so far
  float* correction;  // [ROWS] factor for sums made under an earlier largest score
  int* begin;         // [ROWS] tokens of the segment that the row reads
  int* end;
};

__device__ inline AttendShared attendShared(int rows, const TensorView& key) {
  AttendShared shared;
  const int parameters = key.bits < 16 && key.isChannel ? parametersOfHead(key) : 0;
  shared.query = (float*)sharedMemory();
  shared.scales = shared.query + rows * key.headSize;
  shared.minima = shared.scales + parameters;
  shared.partials = shared.minima + parameters;
  shared.largest = shared.partials + larger(WARPS * rows * TILE, THREADS * OCTET);
  shared.total = shared.largest + rows;
  shared.correction = shared.total + rows;
  shared.begin = (int*)(shared.correction + rows);
  shared.end = shared.begin + rows;
  return shared;
}

/** What a block works on. */
struct Work {
  int segment;
  int kvHead;
  int firstRow;  // among the rows of the KV head: token * headsPerGroup + head of the group
  int rows;
  TokenRange tokens;
  int firstTile;
};

__device__ inline int lengthOfRow(const AttendArguments& args, int row) { return args.before + row / args.headsPerGroup + 1; }

__device__ inline Work workOfBlock(const AttendArguments& args, int rows) {
  Work work;
  int split = blockIdx.x;
  work.segment = 0;
  while (split >= args.segmentSplits[work.segment]) split -= args.segmentSplits[work.segment++];
  work.kvHead = blockIdx.y;
  work.firstRow = blockIdx.z * rows;
  work.rows = smaller(rows, args.tokens * args.headsPerGroup - work.firstRow);
  const int shortest = lengthOfRow(args, work.firstRow);
  const int longest = lengthOfRow(args, work.firstRow + work.rows - 1);
  const TokenRange read = coveredRange(work.segment, args.key, args.value, shortest, longest);
  const int start = segmentRange(work.segment, args.key, args.value, args.before + 1).begin;
  work.firstTile = tileStart(work.segment, args.key.sinks, start) + split * args.splitTokens;
  work.tokens = {larger(read.begin, work.firstTile), smaller(read.end, work.firstTile + args.splitTokens)};
  return work;
}

/** Place of a row's query, or output, in head vectors. */
__device__ inline int vectorOfRow(const AttendArguments& args, const Work& work, int row) {
  const int place = work.firstRow + row;
  const int token = place / args.headsPerGroup;
  return (token * args.key.kvHeads + work.kvHead) * args.headsPerGroup + place % args.headsPerGroup;
}

/** Rows that there are not get queries of zero, and read no token. */
template <int ROWS>
__device__ inline void stageRows(const AttendArguments& args, const Work& work, const AttendShared& shared) {
  const int headSize = args.key.headSize;
  const float factor = 1.0f / sqrtf((float)headSize);
  for (int index = threadIdx.x; index < ROWS * headSize; index += THREADS) {
    const int row = index / headSize;
    const float* vector = args.query + (long long)vectorOfRow(args, work, row) * headSize;
    shared.query[index] = row < work.rows ? load(vector + index % headSize) * factor : 0.0f;
  }
  if (threadIdx.x < ROWS) {
    const int row = threadIdx.x;
    const int length = lengthOfRow(args, work.firstRow + smaller(row, work.rows - 1));
    const TokenRange range = segmentRange(work.segment, args.key, args.value, length);
    shared.begin[row] = row < work.rows ? range.begin : 0;
    shared.end[row] = row < work.rows ? range.end : 0;
    shared.largest[row] = NOTHING;
    shared.total[row] = 0.0f;
  }
  __syncthreads();
  if (segmentAt(work.segment).isKeyCoded && args.key.isRotated)
    for (int row = 0; row < ROWS; row++) rotateRow(shared.query + row * headSize, headSize);
}

/** Scales and minima of a page's groups of tokens, folded as codeFraction wants them. */
template <int BITS>
__device__ inline void stageParameters(const TensorView& key, const CodeHead& head, const AttendShared& shared) {
  for (int index = threadIdx.x; index < parametersOfHead(key); index += THREADS) {
    const Parameters folded = foldedParameters<BITS>(loadParameters(key, head, index));
    shared.scales[index] = folded.scale;
    shared.minima[index] = folded.minimum;
  }
  __syncthreads();
}

/** Adds the products of four channels of each of a lane's tokens with those of each query. */
template <int ROWS>
__device__ inline void addProducts(float (&scores)[ROWS][LANE_TOKENS], const float (&keys)[LANE_TOKENS][QUAD],
                                   const float* query, int headSize) {
#pragma unroll
  for (int row = 0; row < ROWS; row++) {
    const float4 numbers = *(const float4*)(query + row * headSize);
#pragma unroll
    for (int token = 0; token < LANE_TOKENS; token++) {
      float sum = numbers.x * keys[token][0];
      sum = fmaf(numbers.y, keys[token][1], sum);
      sum = fmaf(numbers.z, keys[token][2], sum);
      scores[row][token] += fmaf(numbers.w, keys[token][3], sum);
    }
  }
}

/** Is a lane's token among those that some row of the block reads? */
__device__ inline bool isRead(const Work& work, int token) { return token >= work.tokens.begin && token < work.tokens.end; }

template <int ROWS>
__device__ inline void scoreExact(const TensorView& key, const Work& work, int tile, const AttendShared& shared,
                                  float (&scores)[ROWS][LANE_TOKENS]) {
  const int lane = threadIdx.x % WARP_SIZE;
  const int octets = key.headSize / OCTET;
#pragma unroll 1
  for (int octet = threadIdx.x / WARP_SIZE; octet < octets; octet += WARPS) {
    HalfOctet halves[LANE_TOKENS];
#pragma unroll
    for (int token = 0; token < LANE_TOKENS; token++) {
      const int position = tile + lane + WARP_SIZE * token;
      halves[token] = {};
      if (isRead(work, position)) halves[token].words = load(exactOctet(key, work.kvHead, position, octet));
    }
#pragma unroll
    for (int first = 0; first < OCTET; first += QUAD) {
      float keys[LANE_TOKENS][QUAD];
#pragma unroll
      for (int token = 0; token < LANE_TOKENS; token++)
#pragma unroll
        for (int i = 0; i < QUAD; i++) keys[token][i] = floatFromHalf(halves[token].halves[first + i]);
      addProducts<ROWS>(scores, keys, shared.query + octet * OCTET + first, key.headSize);
    }
  }
}

/** Four numbers of an octet, from its channel `first` on, whose token has one scale for all of them. */
template <int BITS>
__device__ inline void decodeQuad(float (&numbers)[QUAD], const CodeOctet& octet, int first, const Parameters& folded) {
#pragma unroll
  for (int i = 0; i < QUAD; i++) numbers[i] = fmaf(codeFraction<BITS>(octet, first + i), folded.scale, folded.minimum);
}

/** The same where each channel has its own, in shared memory. */
template <int BITS>
__device__ inline void decodeStagedQuad(float (&numbers)[QUAD], const CodeOctet& octet, int first, const float* scales,
                                        const float* minima) {
  const float4 scale = *(const float4*)scales;
  const float4 minimum = *(const float4*)minima;
  numbers[0] = fmaf(codeFraction<BITS>(octet, first), scale.x, minimum.x);
  numbers[1] = fmaf(codeFraction<BITS>(octet, first + 1), scale.y, minimum.y);
  numbers[2] = fmaf(codeFraction<BITS>(octet, first + 2), scale.z, minimum.z);
  numbers[3] = fmaf(codeFraction<BITS>(octet, first + 3), scale.w, minimum.w);
}

template <int ROWS, int BITS>
__device__ inline void scoreCodes(const TensorView& key, const Work& work, int tile, const AttendShared& shared,
                                  float (&scores)[ROWS][LANE_TOKENS]) {
  const CodeHead head = codeHead(key, work.kvHead, tile - key.sinks);
  const int lane = threadIdx.x % WARP_SIZE;
  const int chunks = key.headSize / CHUNK;
  if (key.isChannel) stageParameters<BITS>(key, head, shared);
#pragma unroll 1
  for (int chunk = threadIdx.x / WARP_SIZE; chunk < chunks; chunk += WARPS) {
    CodeChunk codes[LANE_TOKENS];
    Parameters folded[LANE_TOKENS];
#pragma unroll
    for (int token = 0; token < LANE_TOKENS; token++) {
      const int place = lane + WARP_SIZE * token;
      codes[token] = {};
      folded[token] = {0.0f, 0.0f};
      if (!isRead(work, tile + place)) continue;
      codes[token] = loadChunk<BITS>(head, chunks, chunk, place);
      if (!key.isChannel)
        folded[token] = foldedParameters<BITS>(loadParameters(key, head, parameterIndex(key, place, chunk * CHUNK)));
    }
#pragma unroll
    for (int first = 0; first < CHUNK; first += QUAD) {
      const int channel = chunk * CHUNK + first;
      float keys[LANE_TOKENS][QUAD];
#pragma unroll
      for (int token = 0; token < LANE_TOKENS; token++) {
        const int staged = (lane + WARP_SIZE * token) / key.groupSize * key.headSize + channel;
        const CodeOctet& octet = codes[token].octets[first / OCTET];
        if (key.isChannel)
          decodeStagedQuad<BITS>(keys[token], octet, first % OCTET, shared.scales + staged, shared.minima + staged);
        else decodeQuad<BITS>(keys[token], octet, first % OCTET, folded[token]);
      }
      addProducts<ROWS>(scores, keys, shared.query + channel, key.headSize);
    }
  }
}

/** Each warp's part of the scores of a tile. */
template <int ROWS>
__device__ inline void scoreTile(const TensorView& key, const Work& work, int tile, const AttendShared& shared) {
  float scores[ROWS][LANE_TOKENS] = {};
  if (!segmentAt(work.segment).isKeyCoded) scoreExact<ROWS>(key, work, tile, shared, scores);
  else if (key.bits == 2) scoreCodes<ROWS, 2>(key, work, tile, shared, scores);
  else if (key.bits == 3) scoreCodes<ROWS, 3>(key, work, tile, shared, scores);
  else if (key.bits == 4) scoreCodes<ROWS, 4>(key, work, tile, shared, scores);
  else scoreCodes<ROWS, 8>(key, work, tile, shared, scores);
  const int lane = threadIdx.x % WARP_SIZE;
#pragma unroll
  for (int row = 0; row < ROWS; row++)
#pragma unroll
    for (int token = 0; token < LANE_TOKENS; token++)
      shared.partials[((threadIdx.x / WARP_SIZE) * ROWS + row) * TILE + lane + WARP_SIZE * token] = scores[row][token];
  __syncthreads();
}

__device__ inline float warpMaximum(float number) {
  for (int step = WARP_SIZE / 2; step > 0; step /= 2) number = fmaxf(number, __shfl_xor_sync(0xffffffffu, number, step));
  return number;
}

__device__ inline float warpSum(float number) {
  for (int step = WARP_SIZE / 2; step > 0; step /= 2) number += __shfl_xor_sync(0xffffffffu, number, step);
  return number;
}

/** Weights of a tile under the largest score so far, in the place of the first warp's scores. A warp takes a row. */
template <int ROWS>
__device__ inline void weighTile(int tile, const AttendShared& shared) {
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
      for (int warp = 1; warp < WARPS; warp++) sum += scores[WARP_SIZE * token + warp * ROWS * TILE];
      sums[token] = isSeen ? sum : NOTHING;
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

/** Which channels and tokens a thread weighs values of. */
struct ValueShare {
  int octet;
  int phase;
  int phases;
};

/** Two threads side by side take a chunk of one token, so that neighbours read neighbouring words. */
__device__ inline ValueShare valueShare(int headSize) {
  const int phases = THREADS / (headSize / OCTET);
  const int inChunk = threadIdx.x % (2 * phases);
  return {(int)threadIdx.x / (2 * phases) * 2 + inChunk % 2, inChunk / 2, phases};
}

template <int ROWS>
__device__ inline void addWeighted(float (&sums)[ROWS][OCTET], const float (&values)[OCTET], const float* weights) {
#pragma unroll
  for (int row = 0; row < ROWS; row++) {
    const float weight = weights[row * TILE];
#pragma unroll
    for (int i = 0; i < OCTET; i++) sums[row][i] = fmaf(weight, values[i], sums[row][i]);
  }
}

template <int ROWS>
__device__ inline void weighExact(const TensorView& value, const Work& work, int tile, const AttendShared& shared,
                                  float (&sums)[ROWS][OCTET]) {
  const ValueShare share = valueShare(value.headSize);
  const int end = smaller(work.tokens.end, tile + TILE);
#pragma unroll 1
  for (int token = larger(work.tokens.begin, tile) + share.phase; token < end; token += share.phases) {
    HalfOctet halves;
    halves.words = load(exactOctet(value, work.kvHead, token, share.octet));
    float values[OCTET];
#pragma unroll
    for (int i = 0; i < OCTET; i++) values[i] = floatFromHalf(halves.halves[i]);
    addWeighted<ROWS>(sums, values, shared.partials + token - tile);
  }
}

template <int ROWS, int BITS>
__device__ inline void weighCodes(const TensorView& value, const Work& work, int tile, const AttendShared& shared,
                                  float (&sums)[ROWS][OCTET]) {
  const ValueShare share = valueShare(value.headSize);
  const CodeHead head = codeHead(value, work.kvHead, tile - value.sinks);
  const int end = smaller(work.tokens.end, tile + TILE);
#pragma unroll 2
  for (int token = larger(work.tokens.begin, tile) + share.phase; token < end; token += share.phases) {
    const int place = token - tile;
    const CodeOctet codes = loadOctet<BITS>(head, value.headSize / CHUNK, share.octet, place);
    const int index = parameterIndex(value, place, share.octet * OCTET);
    const Parameters folded = foldedParameters<BITS>(loadParameters(value, head, index));
    float values[OCTET];
#pragma unroll
    for (int i = 0; i < OCTET; i++) values[i] = fmaf(codeFraction<BITS>(codes, i), folded.scale, folded.minimum);
    addWeighted<ROWS>(sums, values, shared.partials + place);
  }
}

template <int ROWS>
__device__ inline void weighValues(const TensorView& value, const Work& work, int tile, const AttendShared& shared,
                                   float (&sums)[ROWS][OCTET]) {
#pragma unroll
  for (int row = 0; row < ROWS; row++)
#pragma unroll
    for (int i = 0; i < OCTET; i++) sums[row][i] *= shared.correction[row];
  if (valueShare(value.headSize).octet < value.headSize / OCTET) {
    if (!segmentAt(work.segment).isValueCoded) weighExact<ROWS>(value, work, tile, shared, sums);
    else if (value.bits == 2) weighCodes<ROWS, 2>(value, work, tile, shared, sums);
    else if (value.bits == 3) weighCodes<ROWS, 3>(value, work, tile, shared, sums);
    else if (value.bits == 4) weighCodes<ROWS, 4>(value, work, tile, shared, sums);
    else weighCodes<ROWS, 8>(value, work, tile, shared, sums);
  }
  __syncthreads();
}

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
