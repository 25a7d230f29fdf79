// Sums of a tile's values, weighted for each of a block's rows.
#pragma once
#include "attention-block.cuh"

/** The channels and tokens of a thread's share of the values. */
struct ValueShare {
  int octet;
  int phase;
  int phases;
};

/** Two neighbouring threads share a chunk of one token, so that they read neighbouring words. */
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

/** Values that are decoded to float32. */
template <int ROWS>
__device__ inline void weighDecoded(const TensorView& value, const Work& work, int tile, const AttendShared& shared,
                                    float (&sums)[ROWS][OCTET]) {
  const ValueShare share = valueShare(value.headSize);
  const int end = smaller(work.tokens.end, tile + TILE);
#pragma unroll 1
  for (int token = larger(work.tokens.begin, tile) + share.phase; token < end; token += share.phases) {
    const float4 low = load(decodedQuad(value, work.kvHead, token - value.sinks, 2 * share.octet));
    const float4 high = load(decodedQuad(value, work.kvHead, token - value.sinks, 2 * share.octet + 1));
    const float values[OCTET] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
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
    else if (value.bits == 32) weighDecoded<ROWS>(value, work, tile, shared, sums);
    else if (value.bits == 2) weighCodes<ROWS, 2>(value, work, tile, shared, sums);
    else if (value.bits == 3) weighCodes<ROWS, 3>(value, work, tile, shared, sums);
    else if (value.bits == 4) weighCodes<ROWS, 4>(value, work, tile, shared, sums);
    else weighCodes<ROWS, 8>(value, work, tile, shared, sums);
  }
  __syncthreads();
}
