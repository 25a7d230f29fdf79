// Scores of a tile of tokens against the queries of a block's rows.
#pragma once
#include "attention-block.cuh"

/** Scales and minima of a page's groups of tokens, adjusted for codeFraction. */
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

/** True when some row of the block reads a lane's token. */
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

/** Scores of keys that are decoded to float32. */
template <int ROWS>
__device__ inline void scoreDecoded(const TensorView& key, const Work& work, int tile, const AttendShared& shared,
                                    float (&scores)[ROWS][LANE_TOKENS]) {
  const int lane = threadIdx.x % WARP_SIZE;
  const int quads = key.headSize / QUAD;
#pragma unroll 1
  for (int quad = threadIdx.x / WARP_SIZE; quad < quads; quad += WARPS) {
    float keys[LANE_TOKENS][QUAD] = {};
#pragma unroll
    for (int token = 0; token < LANE_TOKENS; token++) {
      const int position = tile + lane + WARP_SIZE * token;
      if (!isRead(work, position)) continue;
      const float4 four = load(decodedQuad(key, work.kvHead, position - key.sinks, quad));
      keys[token][0] = four.x, keys[token][1] = four.y, keys[token][2] = four.z, keys[token][3] = four.w;
    }
    addProducts<ROWS>(scores, keys, shared.query + quad * QUAD, key.headSize);
  }
}

/** Four numbers of an octet, from channel `first` on, with one scale of their token. */
template <int BITS>
__device__ inline void decodeQuad(float (&numbers)[QUAD], const CodeOctet& octet, int first, const Parameters& folded) {
#pragma unroll
  for (int i = 0; i < QUAD; i++) numbers[i] = fmaf(codeFraction<BITS>(octet, first + i), folded.scale, folded.minimum);
}

/** The same with one scale per channel, in shared memory. */
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
  else if (key.bits == 32) scoreDecoded<ROWS>(key, work, tile, shared, scores);
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
