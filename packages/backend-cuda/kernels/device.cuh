// The little that kernels need of the machine they run on: a GPU, or the CPU on which tests run them (cuda-on-cpu.hpp).
#pragma once

#ifdef KVTUNER_ON_CPU
#include "cuda-on-cpu.hpp"
#else

/** A kernel takes one struct by value, so that a host writes its arguments as one run of bytes. */
#define KERNEL(name, Arguments, threads, blocks) \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name(const __grid_constant__ Arguments args)

extern __shared__ __align__(16) unsigned char dynamicShared[];

/** The block's shared memory, of as many bytes as the launch asked for. */
__device__ inline unsigned char* sharedMemory() { return dynamicShared; }

/** Reads what no thread of the kernel writes. */
template <typename Number>
__device__ inline Number load(const Number* from) {
  return __ldg(from);
}

template <typename Number>
__device__ inline void store(Number* to, Number value) {
  *to = value;
}

__device__ inline float floatFromHalf(unsigned short bits) {
  float number;
  asm("cvt.f32.f16 %0, %1;" : "=f"(number) : "h"(bits));
  return number;
}

/** To the nearest, halves to even. */
__device__ inline unsigned short halfFromFloat(float number) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(number));
  return bits;
}

#endif

constexpr int WARP_SIZE = 32;

__device__ inline int smaller(int a, int b) { return a < b ? a : b; }
__device__ inline int larger(int a, int b) { return a > b ? a : b; }

/** Eight float16 numbers, as they lie in memory. */
union HalfOctet {
  uint4 words;
  unsigned short halves[8];
};
