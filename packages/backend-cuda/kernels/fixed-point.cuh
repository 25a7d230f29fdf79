// Factors for tensor cores: a row of float32 numbers as whole numbers in two halves of 11 bits.
//
// A number x is about unit * (high + low / 4096). The unit is a power of two; high and low are whole numbers up to 2048;
// the remainder is at most 2^-23 of the row's largest number. The other factor is a code's fraction, a whole number of
// bits + 1 bits in units of 2^-bits. So products and sums are whole numbers, which float32 holds exactly up to 2^24. A
// tensor core adds them without error, in any order and with any rounding.
#pragma once
#include "codes.cuh"
#include "tensor-core.cuh"

/** A row's unit, and the factors that convert numbers with it. */
struct FixedUnit {
  float unit;
  float inverse;
};

/** The unit for numbers up to `largest`, which is not negative. Below 2^-115, all numbers become 0. */
__device__ inline FixedUnit fixedUnit(float largest) {
  const int exponent = larger(12, (int)(__float_as_uint(largest) >> 23));
  return {__uint_as_float((unsigned int)(exponent - 10) << 23), __uint_as_float((unsigned int)(264 - exponent) << 23)};
}

/** Two numbers of a lane's row: high halves for the upper half of A, low halves for the lower. */
__device__ inline void splitPair(HalfPair& high, HalfPair& low, float first, float second, const FixedUnit& unit) {
  const float scaled[2] = {first * unit.inverse, second * unit.inverse};
  const float whole[2] = {rintf(scaled[0]), rintf(scaled[1])};
  high = halfPair(whole[0], whole[1]);
  low = halfPair(rintf((scaled[0] - whole[0]) * 4096.0f), rintf((scaled[1] - whole[1]) * 4096.0f));
}

/** A lane's numbers of A from four numbers of its row. */
__device__ inline TensorRows splitRow(float first, float second, float third, float fourth, const FixedUnit& unit) {
  TensorRows rows;
  splitPair(rows.pairs[0], rows.pairs[1], first, second, unit);
  splitPair(rows.pairs[2], rows.pairs[3], third, fourth, unit);
  return rows;
}

/** A column's sum from its high and low halves, in units. */
__device__ inline float joinedSum(const float (&sums)[4], int column) { return fmaf(sums[2 + column], 1.0f / 4096.0f, sums[column]); }

/** Most products whose sum is exact, in steps of 16: one step for 8 bits, four (64 channels) for fewer bits. */
template <int BITS>
constexpr int EXACT_STEPS = BITS == 8 ? 1 : 4;

/** Bits `at` and up of both halves of a word, as two fractions `1 + code / 2^BITS` in float16. */
template <int BITS>
__device__ inline HalfPair fractionPair(unsigned int word, int at) {
  constexpr int TARGET = 10 - BITS;
  const unsigned int moved = TARGET >= at ? word << (TARGET - at) : word >> (at - TARGET);
  constexpr unsigned int MASK = ((1u << BITS) - 1) << TARGET;
  return (moved & (MASK | MASK << 16)) | 0x3c003c00u;
}

/** The same from two bits of one word and the third bit of another. */
__device__ inline HalfPair fractionPairOf3(unsigned int low, unsigned int high, int index) {
  constexpr unsigned int LOW = 3u << 7, HIGH = 1u << 9;
  const int at = 2 * index;
  const unsigned int lowMoved = at <= 7 ? low << (7 - at) : low >> (at - 7);
  const unsigned int highMoved = high << (9 - index);
  return (lowMoved & (LOW | LOW << 16)) | (highMoved & (HIGH | HIGH << 16)) | 0x3c003c00u;
}
