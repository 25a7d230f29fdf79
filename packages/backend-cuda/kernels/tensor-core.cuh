// Products of small matrices by a warp on a tensor core, and which elements each lane holds.
//
// Lane 4 g + t holds rows g and g + 8 of A (16 x 16, float16), column g of B (16 x 8, float16), and columns 2 t and 2 t +
// 1 of rows g and g + 8 of the sums (16 x 8, float32). {@link multiplyAdd} sums over the 16 columns of A and rows of B,
// so their order does not matter if it is the same in both.
#pragma once
#include "device.cuh"

constexpr int QUAD_LANES = 4;
/** Query rows of a product: A holds each twice, in its upper and lower half. */
constexpr int TENSOR_ROWS = 8;
/** Tokens or channels of a product: the columns of B. */
constexpr int TENSOR_COLUMNS = 8;

/** Two float16 numbers in a word. */
typedef unsigned int HalfPair;

/** A lane's numbers of A: four of row g and four of row g + 8, in the order of the instruction. */
struct TensorRows {
  HalfPair pairs[4];
};

#ifndef KVTUNER_ON_CPU

/** Rounds half to even; the first number is in the lower half. */
__device__ inline HalfPair halfPair(float first, float second) {
  HalfPair pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
}

/** Adds A times B. All lanes of a warp must call it together. */
__device__ inline void multiplyAdd(float (&sums)[4], const TensorRows& a, HalfPair first, HalfPair second) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
               : "r"(a.pairs[0]), "r"(a.pairs[1]), "r"(a.pairs[2]), "r"(a.pairs[3]), "r"(first), "r"(second));
}

#else

__device__ inline HalfPair halfPair(float first, float second) {
  return halfFromFloat(first) | (HalfPair)halfFromFloat(second) << 16;
}

__device__ inline void multiplyAdd(float (&sums)[4], const TensorRows& a, HalfPair first, HalfPair second) {
  const HalfPair b[2] = {first, second};
  cpu::multiplyAdd(sums, a.pairs, b, __LINE__);
}

#endif

/** Largest number of the four lanes that share a row. */
__device__ inline float quadMaximum(float number) {
  number = fmaxf(number, __shfl_xor_sync(0xffffffffu, number, 1));
  return fmaxf(number, __shfl_xor_sync(0xffffffffu, number, 2));
}

/** Sum over the four lanes that share a row. */
__device__ inline float quadSum(float number) {
  number += __shfl_xor_sync(0xffffffffu, number, 1);
  return number + __shfl_xor_sync(0xffffffffu, number, 2);
}
