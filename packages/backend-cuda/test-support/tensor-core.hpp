// A tensor core on the CPU: mma.sync m16n8k16 of float16 with sums in float32, with operands in the lanes that the PTX
// ISA defines. Sums are as coarse as on any tensor core: every product, the previous sum and the result are truncated to
// 24 bits of the largest of them. Kernels that are correct here do not depend on the extra bits of a GPU.
#pragma once
#include "fibers.hpp"

namespace cpu {
#ifndef KVTUNER_KEPT_BITS
#define KVTUNER_KEPT_BITS 24
#endif
constexpr int A_ROWS = 16, B_COLUMNS = 8, DEPTH = 16, KEPT_BITS = KVTUNER_KEPT_BITS;

struct Operands {
  float a[A_ROWS][DEPTH];
  float b[B_COLUMNS][DEPTH];
};
static Operands operands[MAX_THREADS / WARP];

/** Number `index` of numbers stored two per word. */
static float halfAt(const unsigned int* pairs, int index) {
  return floatFromHalf((unsigned short)(pairs[index / 2] >> (16 * (index % 2))));
}

/** Puts a lane's numbers in their places: PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type". */
static void place(Operands& matrices, int lane, const unsigned int (&a)[4], const unsigned int (&b)[2]) {
  const int group = lane >> 2, inGroup = lane % 4;
  for (int i = 0; i < 8; i++) {
    const bool isUpper = i < 2 || (4 <= i && i < 6);
    matrices.a[isUpper ? group : group + 8][inGroup * 2 + (i & 1) + (i < 4 ? 0 : 8)] = halfAt(a, i);
  }
  for (int i = 0; i < 4; i++) matrices.b[group][inGroup * 2 + (i & 1) + (i < 2 ? 0 : 8)] = halfAt(b, i);
}

/** The power of two at or below a number's magnitude. */
static double leadingBit(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  bits &= 0x7ffull << 52;
  memcpy(&number, &bits, sizeof bits);
  return number;
}

static float cutOffSum(const Operands& matrices, int row, int column, float before) {
  double terms[DEPTH + 1];
  double largest = std::fabs(before), plain = before;
  terms[DEPTH] = before;
  for (int k = 0; k < DEPTH; k++) {
    terms[k] = (double)matrices.a[row][k] * matrices.b[column][k];
    largest = std::fmax(largest, std::fabs(terms[k]));
    plain += terms[k];
  }
  if (!std::isfinite(plain)) return (float)plain;
  if (largest == 0) return 0;
  const double unit = leadingBit(largest) / (1ll << (KEPT_BITS - 1)), inverse = 1 / unit;
  long long sum = 0;
  for (const double term : terms) sum += (long long)(term * inverse);
  for (long long kept = 1ll << KEPT_BITS, last = 2; std::llabs(sum) >= kept; kept *= 2, last *= 2) sum -= sum % last;
  return (float)((double)sum * unit);
}

void multiplyAdd(float (&sums)[4], const unsigned int (&a)[4], const unsigned int (&b)[2], int line) {
  const int lane = current % WARP;
  Operands& matrices = operands[current / WARP];
  place(matrices, lane, a, b);
  warpBarrier(line);
  for (int i = 0; i < 4; i++)
    sums[i] = cutOffSum(matrices, (lane >> 2) + (i < 2 ? 0 : 8), lane % 4 * 2 + (i & 1), sums[i]);
  warpBarrier(line);
}
}  // namespace cpu
