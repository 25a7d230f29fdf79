// Sums of a tile's coded values on tensor cores: A holds weights times scales, B holds codes.
//
// A product covers 16 tokens and eight channels of a group, which share a token's scale. Lane 4 g + t handles row g,
// tokens 4 t .. 4 t + 3, and WIDTH neighbouring channels, one for each of WIDTH products. A warp handles every fourth
// block of 8 * WIDTH channels, over all tokens of the tile, so that no sums cross warps.
#pragma once
#include "attention-block.cuh"
#include "fixed-point.cuh"

constexpr int STEP_TOKENS = 16;
/** The largest head for tensor cores, whose sums are in registers. Other layers use the float32 kernel. */
constexpr int TENSOR_HEAD_SIZE = 256;
/** Products of a warp: TENSOR_HEAD_SIZE / WARPS channels, eight at a time. */
constexpr int WARP_PRODUCTS = TENSOR_HEAD_SIZE / WARPS / TENSOR_COLUMNS;

/** Four channels per lane if a warp's channels have enough of one group, otherwise two. */
__device__ inline bool isWide(const TensorView& value) {
  const bool isOneGroup = value.groupSize % 32 == 0 || value.groupSize >= value.headSize;
  return isOneGroup && value.headSize % 32 == 0 && value.headSize >= 32 * WARPS;
}

/** A lane's sums: for row g and each block of its warp, WIDTH neighbouring channels of columns 2 t and 2 t + 1. */
struct ValueSums {
  float products[WARP_PRODUCTS][2];
  /** Weights times minima per block, over the lane's tokens only. */
  float biases[WARP_PRODUCTS / 2];
};

/** Codes of a few channels of two tokens. */
struct TokenPair {
  unsigned int first;
  unsigned int second;
};

template <int BITS>
__device__ inline TokenPair tokenPair(const CodeOctet& one, const CodeOctet& other, int channel) {
  if constexpr (BITS == 8) {
    const int bit = 8 * (channel % 4);
    return channel < 4 ? TokenPair{one.low >> bit, other.low >> bit} : TokenPair{one.high >> bit, other.high >> bit};
  }
  constexpr int STORED = BITS == 3 ? 2 : BITS;
  const unsigned int low = (one.low >> (STORED * channel) & 0xffffu) | other.low >> (STORED * channel) << 16;
  return {low, BITS == 3 ? (one.high >> channel) | (other.high >> channel) << 16 : 0};
}

/** The fractions of the tokens' codes of channel `i`, counted from the first. */
template <int BITS>
__device__ inline HalfPair tokenFractions(const TokenPair& tokens, int i) {
  if constexpr (BITS == 8) return fractionPair<8>((tokens.first >> (8 * i) & 0xffu) | (tokens.second >> (8 * i) & 0xffu) << 16, 0);
  if constexpr (BITS == 3) return fractionPairOf3(tokens.first, tokens.second, i);
  return fractionPair<BITS>(tokens.first, BITS * i);
}

/** Weights of a lane's tokens times their scales; the bias contains their minima. */
template <int BITS>
__device__ inline TensorRows weightRows(const TensorView& value, const CodeHead& head, const float* weights, int place, int channel,
                                        const bool (&areRead)[QUAD], float& unit, float& bias) {
  float numbers[QUAD];
  float largest = 0.0f;
#pragma unroll
  for (int i = 0; i < QUAD; i++) {
    Parameters folded = {0.0f, 0.0f};
    if (areRead[i]) folded = foldedParameters<BITS>(loadParameters(value, head, parameterIndex(value, place + i, channel)));
    numbers[i] = weights[place + i] * folded.scale;
    bias = fmaf(weights[place + i], folded.minimum, bias);
    largest = fmaxf(largest, fabsf(numbers[i]));
  }
  const FixedUnit fixed = fixedUnit(quadMaximum(largest));
  unit = fixed.unit;
  return splitRow(numbers[0], numbers[1], numbers[2], numbers[3], fixed);
}

/** Adds the weighted values of 16 tokens to the sums of one block of channels. */
template <int BITS, int WIDTH>
__device__ inline void weighStep(const TensorView& value, const Work& work, int tile, int step, int block,
                                 const AttendShared& shared, float (*products)[2], float& bias) {
  const int lane = threadIdx.x % WARP_SIZE;
  const CodeHead head = codeHead(value, work.kvHead, tile - value.sinks);
  const int place = step + lane % QUAD_LANES * QUAD;
  const int channel = block * TENSOR_COLUMNS * WIDTH + lane / QUAD_LANES * WIDTH;
  bool areRead[QUAD];
  CodeOctet codes[QUAD];
#pragma unroll
  for (int i = 0; i < QUAD; i++) {
    const int position = tile + place + i;
    areRead[i] = position >= work.tokens.begin && position < work.tokens.end;
    codes[i] = {};
    if (areRead[i]) codes[i] = loadOctet<BITS>(head, value.headSize / CHUNK, channel / OCTET, place + i);
  }
  float unit;
  const float* weights = shared.partials + lane / QUAD_LANES * TILE;
  const TensorRows rows = weightRows<BITS>(value, head, weights, place, channel, areRead, unit, bias);
  const TokenPair first = tokenPair<BITS>(codes[0], codes[1], channel % OCTET);
  const TokenPair second = tokenPair<BITS>(codes[2], codes[3], channel % OCTET);
#pragma unroll
  for (int i = 0; i < WIDTH; i++) {
    float sums[4] = {};
    multiplyAdd(sums, rows, tokenFractions<BITS>(first, i), tokenFractions<BITS>(second, i));
#pragma unroll
    for (int column = 0; column < 2; column++)
      products[i][column] = fmaf(joinedSum(sums, column), unit, products[i][column]);
  }
}

template <int BITS, int WIDTH>
__device__ inline void weighCodesOnTensorCores(const TensorView& value, const Work& work, int tile, const AttendShared& shared,
                                               ValueSums& sums) {
  const int begin = larger(work.tokens.begin - tile, 0) / STEP_TOKENS * STEP_TOKENS;
  const int end = smaller(work.tokens.end - tile, TILE);
#pragma unroll
  for (int index = 0; index < WARP_PRODUCTS / WIDTH; index++) {
    const int block = threadIdx.x / WARP_SIZE + WARPS * index;
    if (block >= value.headSize / (TENSOR_COLUMNS * WIDTH)) break;
#pragma unroll 1
    for (int step = begin; step < end; step += STEP_TOKENS)
      weighStep<BITS, WIDTH>(value, work, tile, step, block, shared, sums.products + index * WIDTH, sums.biases[index]);
  }
}

template <int WIDTH>
__device__ inline void weighValuesOnTensorCores(const TensorView& value, const Work& work, int tile, const AttendShared& shared,
                                                ValueSums& sums) {
  if (value.bits == 2) weighCodesOnTensorCores<2, WIDTH>(value, work, tile, shared, sums);
  else if (value.bits == 3) weighCodesOnTensorCores<3, WIDTH>(value, work, tile, shared, sums);
  else if (value.bits == 4) weighCodesOnTensorCores<4, WIDTH>(value, work, tile, shared, sums);
  else weighCodesOnTensorCores<8, WIDTH>(value, work, tile, shared, sums);
}

/** Rescales sums from an earlier largest score to the current one. */
__device__ inline void correctSums(ValueSums& sums, const AttendShared& shared) {
  const float correction = shared.correction[threadIdx.x % WARP_SIZE / QUAD_LANES];
#pragma unroll
  for (int product = 0; product < WARP_PRODUCTS; product++) {
    sums.products[product][0] *= correction;
    sums.products[product][1] *= correction;
    if (product % 2 == 0) sums.biases[product / 2] *= correction;
  }
}
