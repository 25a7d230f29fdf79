// Events of a driver that runs everything at once, but appears to lag: submitted work counts as done only after a wait.
#pragma once
#include <chrono>

namespace cpu {
using Clock = std::chrono::steady_clock;

struct Event {
  Clock::time_point time;
  int number = 0;
};
static int recorded, waitedFor;

static void record(Event& event) {
  event.time = Clock::now();
  event.number = ++recorded;
}

static bool isPast(const Event& event) { return event.number > 0 && event.number <= waitedFor; }
static void waitForAll() { waitedFor = recorded; }

static float elapsedMs(const Event& from, const Event& to) {
  return std::chrono::duration<float, std::milli>(to.time - from.time).count();
}
}  // namespace cpu
