// Everything that kernels need from the machine: a GPU, or a CPU in tests (cuda-on-cpu.hpp).
#pragma once

#ifdef KVTUNER_ON_CPU
#include "cuda-on-cpu.hpp"
#else

/** A kernel takes one struct by value, so that the host writes its arguments as one block of bytes. */
#define KERNEL(name, Arguments, threads, blocks) \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name(const __grid_constant__ Arguments args)

extern __shared__ __align__(16) unsigned char dynamicShared[];

/** The block's shared memory, in the size that the launch requests. */
__device__ inline unsigned char* sharedMemory() { return dynamicShared; }

/** Reads data that no thread of the kernel writes. */
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

/** Rounds half to even. */
__device__ inline unsigned short halfFromFloat(float number) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(number));
  return bits;
}

#endif

constexpr int WARP_SIZE = 32;

__device__ inline int smaller(int a, int b) { return a < b ? a : b; }
__device__ inline int larger(int a, int b) { return a > b ? a : b; }

/** Eight float16 numbers in memory order. */
union HalfOctet {
  uint4 words;
  unsigned short halves[8];
};
