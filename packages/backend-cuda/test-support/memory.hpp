// Memory of the simulated device: allocations, and what a kernel reads of them.
#pragma once
#include <cstdlib>
#include <map>
#include <string>
#include <unordered_set>

#include "fibers.hpp"

namespace cpu {
constexpr int SECTOR_BYTES = 32;
/** Shared memory that any GPU grants; more needs a setting per kernel. */
constexpr int SHARED_BYTES = 48 * 1024;

static std::map<uintptr_t, size_t> allocations;
static size_t allocatedBytes;
static size_t capacityBytes = 1ull << 32;
static uintptr_t lastStart, lastEnd;
alignas(16) static unsigned char sharedBytes[SHARED_BYTES];
/** Sectors that the running block has read. Counted once per block, because a GPU's caches serve later reads. */
static std::unordered_set<uintptr_t> sectors;
static bool isCounting;

unsigned char* shared() { return sharedBytes; }

static bool isAllocated(uintptr_t address, size_t sizeBytes) {
  if (address >= lastStart && address + sizeBytes <= lastEnd) return true;
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin()) return false;
  const auto& [start, size] = *--next;
  if (address + sizeBytes > start + size) return false;
  lastStart = start, lastEnd = start + size;
  return true;
}

static void check(const char* what, const void* pointer, int sizeBytes) {
  const uintptr_t address = (uintptr_t)pointer;
  if (address % sizeBytes != 0) fault(std::string(what) + " at an address that is not aligned");
  if (!isAllocated(address, sizeBytes)) fault(std::string(what) + " of memory that was not allocated");
}

void checkWrite(const void* to, int sizeBytes) { check("write", to, sizeBytes); }

void checkRead(const void* from, int sizeBytes) {
  check("read", from, sizeBytes);
  if (!isCounting) return;
  for (uintptr_t sector = (uintptr_t)from / SECTOR_BYTES; sector <= ((uintptr_t)from + sizeBytes - 1) / SECTOR_BYTES; sector++)
    sectors.insert(sector);
}

/** Filled with NaN, so that reads before the first write show. */
static uintptr_t allocate(size_t sizeBytes) {
  if (allocatedBytes + sizeBytes > capacityBytes) return 0;
  void* memory = aligned_alloc(256, (sizeBytes + 255) / 256 * 256);
  memset(memory, 0xff, sizeBytes);
  allocations[(uintptr_t)memory] = sizeBytes;
  allocatedBytes += sizeBytes;
  return (uintptr_t)memory;
}

static bool release(uintptr_t address) {
  const auto found = allocations.find(address);
  if (found == allocations.end()) return false;
  allocatedBytes -= found->second;
  allocations.erase(found);
  lastStart = lastEnd = 0;
  free((void*)address);
  return true;
}
}  // namespace cpu
