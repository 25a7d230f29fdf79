// Scores of a tile of coded keys on tensor cores: A holds queries, B holds codes of eight tokens.
//
// Lane 4 g + t handles row g and chunk t of a block of 64 channels. It reads a chunk's codes in one vector and has
// everything for the block's four products. Scales per channel are multiplied into the queries. Scales per token multiply
// the sum, so a block's channels must share one.
#pragma once
#include "attention-scores.cuh"
#include "fixed-point.cuh"

constexpr int BLOCK_CHUNKS = QUAD_LANES;
constexpr int BLOCK_CHANNELS = BLOCK_CHUNKS * CHUNK;
constexpr int BLOCK_STEPS = 4;
constexpr int CHUNK_PAIRS = CHUNK / 2;
constexpr int WARP_TOKENS = TILE / WARPS;
constexpr int WARP_COLUMNS = WARP_TOKENS / TENSOR_COLUMNS;

__device__ inline int blocksOfHead(int headSize) { return (headSize + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS; }

/** Queries as lanes read them, `[blocks][4 quads of channels][32 lanes][4]`, free of bank conflicts. */
__device__ inline void stageLaneQueries(float* laneQueries, const float* query, int headSize) {
  const int numbers = blocksOfHead(headSize) * TENSOR_ROWS * BLOCK_CHANNELS;
  for (int index = threadIdx.x; index < numbers; index += THREADS) {
    const int lane = index / QUAD % WARP_SIZE;
    const int quad = index / (QUAD * WARP_SIZE);
    const int chunk = quad / QUAD * BLOCK_CHUNKS + lane % QUAD_LANES;
    const int channel = chunk * CHUNK + quad % QUAD * QUAD + index % QUAD;
    laneQueries[index] = channel < headSize ? query[lane / QUAD_LANES * headSize + channel] : 0.0f;
  }
  __syncthreads();
}

/** A row's queries in a block of channels, times the scales per channel, if any. */
struct QueryBlock {
  TensorRows steps[BLOCK_STEPS];
  float unit;
  /** Sum of the queries, each times its channel's minimum, if it has one. */
  float bias;
};

/** Channels of the two codes that are half a word apart. */
template <int BITS>
__device__ constexpr int pairedChannel(int pair, int half) {
  constexpr int APART = BITS == 8 ? 2 : BITS == 4 ? 4 : 8;
  return pair / APART * 2 * APART + pair % APART + half * APART;
}

/** @param staged index of the scale of the block's first channel, in shared memory */
template <int BITS>
__device__ inline QueryBlock queryBlock(const TensorView& key, const AttendShared& shared, const float* laneQueries, int block,
                                        int staged) {
  const int lane = threadIdx.x % WARP_SIZE;
  const int channel = lane % QUAD_LANES * CHUNK;
  const bool isScaled = key.isChannel && block * BLOCK_CHANNELS + channel < key.headSize;
  float numbers[CHUNK];
  float largest = 0.0f;
  QueryBlock result;
  result.bias = 0.0f;
#pragma unroll
  for (int quad = 0; quad < QUAD; quad++) {
    const float4 query = *(const float4*)(laneQueries + ((block * QUAD + quad) * WARP_SIZE + lane) * QUAD);
    float4 scale = {1.0f, 1.0f, 1.0f, 1.0f};
    float4 minimum = scale;
    if (isScaled) {
      scale = *(const float4*)(shared.scales + staged + channel + quad * QUAD);
      minimum = *(const float4*)(shared.minima + staged + channel + quad * QUAD);
    }
    const float queries[QUAD] = {query.x, query.y, query.z, query.w};
    const float scales[QUAD] = {scale.x, scale.y, scale.z, scale.w};
    const float minima[QUAD] = {minimum.x, minimum.y, minimum.z, minimum.w};
#pragma unroll
    for (int i = 0; i < QUAD; i++) {
      numbers[quad * QUAD + i] = queries[i] * scales[i];
      result.bias = fmaf(queries[i], minima[i], result.bias);
      largest = fmaxf(largest, fabsf(numbers[quad * QUAD + i]));
    }
  }
  result.bias = quadSum(result.bias);
  const FixedUnit unit = fixedUnit(quadMaximum(largest));
  result.unit = unit.unit;
#pragma unroll
  for (int step = 0; step < BLOCK_STEPS; step++)
    result.steps[step] = splitRow(numbers[pairedChannel<BITS>(2 * step, 0)], numbers[pairedChannel<BITS>(2 * step, 1)],
                                  numbers[pairedChannel<BITS>(2 * step + 1, 0)], numbers[pairedChannel<BITS>(2 * step + 1, 1)], unit);
  return result;
}

/** The fractions of two codes of a chunk, those of {@link pairedChannel}. */
template <int BITS>
__device__ inline HalfPair chunkPair(const CodeChunk& chunk, int pair) {
  const CodeOctet& octet = chunk.octets[pair / QUAD];
  if constexpr (BITS == 8) return fractionPair<8>(pair / 2 % 2 ? octet.high : octet.low, 8 * (pair % 2));
  if constexpr (BITS == 4) return fractionPair<4>(octet.low, 4 * (pair % 4));
  const unsigned int low = chunk.octets[0].low | chunk.octets[1].low << 16;
  if constexpr (BITS == 2) return fractionPair<2>(low, 2 * pair);
  return fractionPairOf3(low, chunk.octets[0].high | chunk.octets[1].high << 16, pair);
}

/** Sums of a block's products with eight tokens: of row g, tokens 2 t and 2 t + 1. */
template <int BITS>
__device__ inline void blockSums(float (&sums)[2], const QueryBlock& query, const CodeChunk& codes) {
  sums[0] = sums[1] = 0.0f;
  float products[4] = {};
#pragma unroll
  for (int step = 0; step < BLOCK_STEPS; step++) {
    multiplyAdd(products, query.steps[step], chunkPair<BITS>(codes, 2 * step), chunkPair<BITS>(codes, 2 * step + 1));
    if ((step + 1) % EXACT_STEPS<BITS> != 0) continue;
#pragma unroll
    for (int column = 0; column < 2; column++) sums[column] += joinedSum(products, column);
#pragma unroll
    for (int i = 0; i < 4; i++) products[i] = 0.0f;
  }
#pragma unroll
  for (int column = 0; column < 2; column++) sums[column] *= query.unit;
}

/** A warp handles 32 tokens, in runs of channels with the same scales. */
template <int BITS>
__device__ inline void scoreCodesOnTensorCores(const TensorView& key, const Work& work, int tile, const AttendShared& shared,
                                               const float* laneQueries) {
  const CodeHead head = codeHead(key, work.kvHead, tile - key.sinks);
  const int lane = threadIdx.x % WARP_SIZE;
  const int chunks = key.headSize / CHUNK;
  const int begin = threadIdx.x / WARP_SIZE * WARP_TOKENS;
  const int run = key.isChannel ? smaller(WARP_TOKENS, key.groupSize) : WARP_TOKENS;
  if (key.isChannel) stageParameters<BITS>(key, head, shared);
#pragma unroll 1
  for (int first = begin; first < begin + WARP_TOKENS; first += run) {
    float scores[WARP_COLUMNS][2] = {};
#pragma unroll 1
    for (int block = 0; block < blocksOfHead(key.headSize); block++) {
      const int chunk = block * BLOCK_CHUNKS + lane % QUAD_LANES;
      const QueryBlock query =
          queryBlock<BITS>(key, shared, laneQueries, block, first / key.groupSize * key.headSize + block * BLOCK_CHANNELS);
#pragma unroll
      for (int columns = 0; columns < WARP_COLUMNS; columns++) {
        if (columns * TENSOR_COLUMNS >= run) break;
        const int place = first + columns * TENSOR_COLUMNS;
        CodeChunk codes = {};
        if (chunk < chunks && isRead(work, tile + place + lane / QUAD_LANES))
          codes = loadChunk<BITS>(head, chunks, chunk, place + lane / QUAD_LANES);
        float sums[2];
        blockSums<BITS>(sums, query, codes);
#pragma unroll
        for (int column = 0; column < 2; column++) {
          const int token = place + lane % QUAD_LANES * 2 + column;
          Parameters folded = {1.0f, 1.0f};
          if (!key.isChannel && isRead(work, tile + token))
            folded = foldedParameters<BITS>(loadParameters(key, head, parameterIndex(key, token, block * BLOCK_CHANNELS)));
          scores[columns][column] += fmaf(sums[column], folded.scale, query.bias * folded.minimum);
        }
      }
    }
#pragma unroll
    for (int columns = 0; columns < WARP_COLUMNS; columns++)
#pragma unroll
      for (int column = 0; column < 2; column++)
        if (columns * TENSOR_COLUMNS < run)
          shared.partials[lane / QUAD_LANES * TILE + first + columns * TENSOR_COLUMNS + lane % QUAD_LANES * 2 + column] =
              scores[columns][column];
  }
}

/** The scores of a tile, in one part. */
__device__ inline void scoreTileOnTensorCores(const TensorView& key, const Work& work, int tile, const AttendShared& shared,
                                              const float* laneQueries) {
  if (key.bits == 2) scoreCodesOnTensorCores<2>(key, work, tile, shared, laneQueries);
  else if (key.bits == 3) scoreCodesOnTensorCores<3>(key, work, tile, shared, laneQueries);
  else if (key.bits == 4) scoreCodesOnTensorCores<4>(key, work, tile, shared, laneQueries);
  else scoreCodesOnTensorCores<8>(key, work, tile, shared, laneQueries);
  __syncthreads();
}
