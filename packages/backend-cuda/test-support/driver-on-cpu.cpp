// A driver library for tests: the CUDA driver API functions that this package calls, over kernels compiled for the CPU.
// Functions with the prefix `cpu_` let tests inject failures and count calls.
#include <dlfcn.h>

#include "events.hpp"
#include "memory.hpp"
#include "tensor-core.hpp"

#include "attention.cu"
#include "encode.cu"
#include "images.cu"
#include "tensor-core-attention.cu"
#include "transform.cu"

namespace {
using Result = int;
constexpr Result OK = 0, INVALID = 1, OUT_OF_MEMORY = 2, INVALID_IMAGE = 200, UNSUPPORTED_PTX = 222, NOT_FOUND = 500,
                 NOT_READY = 600, LAUNCH_FAILED = 719;

std::map<std::string, Result> failures;
std::map<std::string, int> calls, launches;
std::map<std::string, unsigned long long> loadedBytes;
int driverVersion = 13000, devices = 1, major = 9, minor = 0, multiprocessors = 4;
std::string lastFault;
bool isLost = false;

/** The result that a test set for the next call of a function. A lost device stays lost. */
Result planned(const char* function) {
  calls[function]++;
  if (isLost) return LAUNCH_FAILED;
  const auto found = failures.find(function);
  if (found == failures.end()) return OK;
  const Result result = found->second;
  failures.erase(found);
  isLost = result == 700 || result == LAUNCH_FAILED;
  return result;
}

#define UNLESS_PLANNED                                     \
  if (const Result result = planned(__func__); result != OK) return result;

Result launch(const char* name, Index grid, int threads, unsigned int sharedSize, const void* arguments) {
  if (threads > cpu::MAX_THREADS || sharedSize > cpu::SHARED_BYTES) return INVALID;
  cpu::faultMessage.clear();
  cpu::kernelArguments = arguments;
  cpu::blockSize = {(unsigned int)threads, 1, 1};
  for (unsigned int z = 0; z < grid.z; z++)
    for (unsigned int y = 0; y < grid.y; y++)
      for (unsigned int x = 0; x < grid.x && cpu::faultMessage.empty(); x++) {
        cpu::block = {x, y, z};
        cpu::sectors.clear();
        memset(cpu::sharedBytes, 0xff, sizeof cpu::sharedBytes < sharedSize ? 0 : sharedSize);
        cpu::runBlock(threads);
        if (cpu::isCounting) loadedBytes[name] += cpu::SECTOR_BYTES * cpu::sectors.size();
      }
  if (cpu::faultMessage.empty()) return OK;
  lastFault = std::string(name) + ": " + cpu::faultMessage;
  isLost = true;
  return LAUNCH_FAILED;
}

struct Kernel {
  std::string name;
  void (*run)(const void*);
};
std::map<std::string, Kernel> kernels;
}  // namespace

EXPORT Result cuInit(unsigned int) { UNLESS_PLANNED return OK; }
EXPORT Result cuDriverGetVersion(int* version) { UNLESS_PLANNED return *version = driverVersion, OK; }
EXPORT Result cuDeviceGetCount(int* count) { UNLESS_PLANNED return *count = devices, OK; }
EXPORT Result cuDeviceGet(int* device, int ordinal) { UNLESS_PLANNED return *device = ordinal, OK; }

EXPORT Result cuDeviceGetName(char* name, int size, int) {
  UNLESS_PLANNED
  strncpy(name, "CPU", size);
  return OK;
}

EXPORT Result cuDeviceGetAttribute(int* value, int attribute, int) {
  UNLESS_PLANNED
  const std::map<int, int> attributes = {{16, multiprocessors}, {36, 1000000}, {37, 64}, {75, major}, {76, minor}};
  *value = attributes.count(attribute) ? attributes.at(attribute) : 0;
  return OK;
}

EXPORT Result cuDeviceTotalMem_v2(size_t* sizeBytes, int) { UNLESS_PLANNED return *sizeBytes = cpu::capacityBytes, OK; }
EXPORT Result cuDevicePrimaryCtxRetain(void** context, int) { UNLESS_PLANNED return *context = &kernels, OK; }
EXPORT Result cuDevicePrimaryCtxRelease_v2(int) { return OK; }
EXPORT Result cuCtxSetCurrent(void*) { UNLESS_PLANNED return OK; }
EXPORT Result cuCtxSynchronize() { UNLESS_PLANNED return OK; }

/**
 * A driver loads no image of a later CUDA than its own. PTX 9 came with CUDA 13; binaries are those of nvrtc-on-cpu.cpp.
 */
EXPORT Result cuModuleLoadData(void** module, const char* image) {
  UNLESS_PLANNED
  const int driverMajor = driverVersion / 1000, ptxMajor = driverMajor - 4;
  const char* ptx = strstr(image, ".version ");
  if (ptx && atoi(ptx + strlen(".version ")) > ptxMajor) return UNSUPPORTED_PTX;
  if (strncmp(image, "CUDA ", 5) == 0 && atoi(image + 5) > driverMajor) return INVALID_IMAGE;
  return *module = &kernels, OK;
}

EXPORT Result cuModuleUnload(void*) { return OK; }

EXPORT Result cuModuleGetFunction(void** function, void*, const char* name) {
  UNLESS_PLANNED
  Dl_info self;
  dladdr((void*)cuInit, &self);
  void* library = dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  void* found = dlsym(library, name);
  dlclose(library);
  if (!found) return NOT_FOUND;
  Kernel& kernel = kernels[name];
  kernel = {name, (void (*)(const void*))found};
  return *function = &kernel, OK;
}

EXPORT Result cuMemAlloc_v2(uint64_t* address, size_t sizeBytes) {
  UNLESS_PLANNED
  return (*address = cpu::allocate(sizeBytes)) ? OK : OUT_OF_MEMORY;
}

EXPORT Result cuMemFree_v2(uint64_t address) { return cpu::release(address) ? OK : INVALID; }

EXPORT Result cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t sizeBytes) {
  UNLESS_PLANNED
  if (!cpu::isAllocated(to, sizeBytes)) return INVALID;
  memcpy((void*)to, from, sizeBytes);
  return OK;
}

EXPORT Result cuMemcpyDtoH_v2(void* to, uint64_t from, size_t sizeBytes) {
  UNLESS_PLANNED
  if (!cpu::isAllocated(from, sizeBytes)) return INVALID;
  memcpy(to, (void*)from, sizeBytes);
  return OK;
}

EXPORT Result cuLaunchKernel(void* function, unsigned int gridX, unsigned int gridY, unsigned int gridZ, unsigned int threads,
                             unsigned int, unsigned int, unsigned int sharedSize, void*, void** arguments, void**) {
  UNLESS_PLANNED
  const Kernel& kernel = *(const Kernel*)function;
  launches[kernel.name]++;
  cpu::kernel = kernel.run;
  return launch(kernel.name.c_str(), {gridX, gridY, gridZ}, (int)threads, sharedSize, arguments[0]);
}

EXPORT Result cuMemsetD8Async(uint64_t to, unsigned char byte, size_t sizeBytes, void*) {
  UNLESS_PLANNED
  if (!cpu::isAllocated(to, sizeBytes)) return INVALID;
  memset((void*)to, byte, sizeBytes);
  return OK;
}

EXPORT Result cuEventCreate(cpu::Event** event, unsigned int) { UNLESS_PLANNED return *event = new cpu::Event, OK; }
EXPORT Result cuEventDestroy_v2(cpu::Event* event) { return delete event, OK; }
EXPORT Result cuEventRecord(cpu::Event* event, void*) { UNLESS_PLANNED return cpu::record(*event), OK; }
EXPORT Result cuEventQuery(cpu::Event* event) { UNLESS_PLANNED return cpu::isPast(*event) ? OK : NOT_READY; }
EXPORT Result cuEventSynchronize(cpu::Event*) { UNLESS_PLANNED return cpu::waitForAll(), OK; }

EXPORT Result cuEventElapsedTime(float* timeMs, cpu::Event* from, cpu::Event* to) {
  UNLESS_PLANNED
  if (!cpu::isPast(*to)) return NOT_READY;
  return *timeMs = cpu::elapsedMs(*from, *to), OK;
}

/** Calls of a function since the last query. */
EXPORT int cpu_take_calls(const char* function) {
  const int count = calls[function];
  calls[function] = 0;
  return count;
}
/** Launches of a kernel since the last query. */
EXPORT int cpu_take_launches(const char* kernel) {
  const int count = launches[kernel];
  launches[kernel] = 0;
  return count;
}
/** Makes the next call of a function return this result. */
EXPORT void cpu_fail_next(const char* function, int result) { failures[function] = result; }
EXPORT void cpu_set_driver_version(int version) { driverVersion = version; }
EXPORT void cpu_set_devices(int count) { devices = count; }
EXPORT void cpu_set_capability(int newMajor, int newMinor) { major = newMajor, minor = newMinor; }
EXPORT void cpu_set_capacity(double sizeBytes) { cpu::capacityBytes = (size_t)sizeBytes; }
EXPORT double cpu_allocated_bytes() { return (double)cpu::allocatedBytes; }
EXPORT void cpu_count_loads(int isCounting) { cpu::isCounting = isCounting, loadedBytes.clear(); }
EXPORT double cpu_loaded_bytes(const char* kernel) { return (double)loadedBytes[kernel]; }
/** Runs the warps of a block from last to first, or from first to last. */
EXPORT void cpu_reverse_warps(int isReversed) { cpu::isReversed = isReversed; }
/** Makes threads ignore the barrier at a file and line; line 0 for none. */
EXPORT void cpu_skip_barrier(const char* file, int line) { cpu::skippedFile = file, cpu::skippedLine = line; }
/** The fault of the last failed launch. */
EXPORT const char* cpu_last_fault() { return lastFault.c_str(); }
/** Resets the driver, like a new process. */
EXPORT void cpu_recover() { isLost = false, lastFault.clear(), failures.clear(); }
