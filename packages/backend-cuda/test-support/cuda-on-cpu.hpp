// The parts of CUDA that device.cuh and the kernels need, on the CPU, for tests. A block's threads are fibers that take
// turns at barriers; blocks run one after another. A launch fails with a message when it accesses unallocated memory,
// when not all threads reach a barrier, or when a kernel never ends.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))
#define __device__

struct alignas(8) uint2 {
  unsigned int x, y;
};
struct alignas(16) uint4 {
  unsigned int x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct Index {
  unsigned int x, y, z;
};

namespace cpu {
extern Index thread, block, blockSize;
void barrier(const char* file, int line);
void warpBarrier(int line);
float exchange(float number, int step, int line);
void multiplyAdd(float (&sums)[4], const unsigned int (&a)[4], const unsigned int (&b)[2], int line);
unsigned char* shared();
void checkRead(const void* from, int sizeBytes);
void checkWrite(const void* to, int sizeBytes);
}  // namespace cpu

#define threadIdx cpu::thread
#define blockIdx cpu::block
#define blockDim cpu::blockSize
#define __syncthreads() cpu::barrier(__FILE__, __LINE__)
#define __syncwarp() cpu::warpBarrier(__LINE__)
#define __shfl_xor_sync(mask, number, step) cpu::exchange(number, step, __LINE__)
#define __expf(x) expf(x)
inline float cospif(float halfTurns) { return (float)std::cos(3.141592653589793 * halfTurns); }
inline float sinpif(float halfTurns) { return (float)std::sin(3.141592653589793 * halfTurns); }

#define KERNEL(name, Arguments, threads, blocks)                                     \
  static void name##OnCpu(const Arguments& args);                                    \
  EXPORT void name(const void* args) { name##OnCpu(*(const Arguments*)args); }       \
  static void name##OnCpu(const Arguments& args)

inline unsigned char* sharedMemory() { return cpu::shared(); }

template <typename Number>
inline Number load(const Number* from) {
  cpu::checkRead(from, sizeof(Number));
  return *from;
}

template <typename Number>
inline void store(Number* to, Number value) {
  cpu::checkWrite(to, sizeof(Number));
  *to = value;
}

inline float __uint_as_float(unsigned int bits) {
  float number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

inline unsigned int __float_as_uint(float number) {
  unsigned int bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

inline float floatFromHalf(unsigned short bits) {
  _Float16 half;
  memcpy(&half, &bits, sizeof half);
  return (float)half;
}

inline unsigned short halfFromFloat(float number) {
  const _Float16 half = (_Float16)number;
  unsigned short bits;
  memcpy(&bits, &half, sizeof bits);
  return bits;
}
