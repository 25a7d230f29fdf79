// The threads of a block as fibers. Contexts are created once; a later switch is a jump without a system call.
#pragma once
#include <csetjmp>
#include <cstdlib>
#include <string>
#include <ucontext.h>

#include "cuda-on-cpu.hpp"

namespace cpu {
constexpr int MAX_THREADS = 256;
constexpr int WARP = 32;
constexpr int STACK_BYTES = 64 * 1024;

enum class State { ready, atBarrier, atWarpBarrier, done };

struct Fiber {
  ucontext_t context;
  jmp_buf place;
  void* stack = nullptr;
  State state = State::done;
  int line = 0;
  bool isStarted = false;
};

Index thread, block, blockSize;
static Fiber fibers[MAX_THREADS];
static float exchanged[MAX_THREADS];
static ucontext_t schedulerContext;
static jmp_buf schedulerPlace;
static int current;
static void (*kernel)(const void*);
static const void* kernelArguments;
static std::string faultMessage;
/** Runs warps from last to first: some missing barriers show in one order only. */
static bool isReversed;
/** The barrier that threads ignore: its file and line. */
static std::string skippedFile;
static int skippedLine;

static void yield(State state, int line) {
  Fiber& fiber = fibers[current];
  fiber.state = state;
  fiber.line = line;
  if (_setjmp(fiber.place) == 0) _longjmp(schedulerPlace, 1);
}

/** Ends the launch with an error. */
static void fault(const std::string& message) {
  if (faultMessage.empty()) faultMessage = message;
  yield(State::done, 0);
}

static void runForever() {
  for (;;) {
    kernel(kernelArguments);
    yield(State::done, 0);
  }
}

static void start(Fiber& fiber) {
  fiber.isStarted = true;
  if (!fiber.stack) fiber.stack = malloc(STACK_BYTES);
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK_BYTES;
  makecontext(&fiber.context, runForever, 0);
  swapcontext(&schedulerContext, &fiber.context);
}

static void resume(int index) {
  Fiber& fiber = fibers[index];
  current = index;
  thread = {(unsigned int)index, 0, 0};
  if (_setjmp(schedulerPlace) != 0) return;
  if (fiber.isStarted) _longjmp(fiber.place, 1);
  start(fiber);
}

static bool isSkipped(const char* file, int line) {
  if (line != skippedLine) return false;
  const std::string path = file;
  return path.substr(path.rfind('/') + 1) == skippedFile;
}

void barrier(const char* file, int line) {
  if (!isSkipped(file, line)) yield(State::atBarrier, line);
}

void warpBarrier(int line) { yield(State::atWarpBarrier, line); }

float exchange(float number, int step, int line) {
  const int index = current;
  exchanged[index] = number;
  warpBarrier(line);
  const float other = exchanged[index ^ step];
  warpBarrier(line);
  return other;
}

/** Resumes the threads of a range once all of them wait in the same way at the same line. */
static bool release(int first, int end, State state) {
  for (int index = first; index < end; index++)
    if (fibers[index].state != state || fibers[index].line != fibers[first].line) return false;
  for (int index = first; index < end; index++) fibers[index].state = State::ready;
  return true;
}

/** Runs a warp as far as barriers allow, ahead of all others, which exposes missing barriers. */
static void runWarp(int first, int end) {
  do {
    for (int index = first; index < end && faultMessage.empty(); index++)
      if (fibers[index].state == State::ready) resume(index);
  } while (faultMessage.empty() && release(first, end, State::atWarpBarrier));
}

static bool areDone(int threads) {
  for (int index = 0; index < threads; index++)
    if (fibers[index].state != State::done) return false;
  return true;
}

static std::string divergence(int threads) {
  std::string text = "divergent barrier: the threads of a block do not all reach the same one;";
  for (int index = 0; index < threads; index++)
    if (fibers[index].state != State::done)
      return text + " thread " + std::to_string(index) + " waits at line " + std::to_string(fibers[index].line);
  return text;
}

/** Runs every warp once, as far as it can. */
static void runWarps(int threads) {
  const int warps = (threads + WARP - 1) / WARP;
  for (int index = 0; index < warps; index++) {
    const int first = (isReversed ? warps - 1 - index : index) * WARP;
    runWarp(first, first + WARP < threads ? first + WARP : threads);
  }
}

/** Runs one block. After a fault, its message is set and the fibers are reset. */
static void runBlock(int threads) {
  for (int index = 0; index < threads; index++) fibers[index].state = State::ready;
  do {
    runWarps(threads);
  } while (faultMessage.empty() && release(0, threads, State::atBarrier));
  if (faultMessage.empty() && !areDone(threads)) faultMessage = divergence(threads);
  if (!faultMessage.empty())
    for (Fiber& fiber : fibers) fiber.isStarted = false;
}
}  // namespace cpu
