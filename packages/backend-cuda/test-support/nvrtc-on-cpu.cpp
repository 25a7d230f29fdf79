// NVRTC for tests: compiles nothing, and returns an image that names its CUDA version for driver-on-cpu.cpp. The macro
// NVRTC_MAJOR is that version.
#include <cstdio>
#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {
char image[16];
const int imageSize = snprintf(image, sizeof image, "CUDA %d", NVRTC_MAJOR) + 1;
}  // namespace

EXPORT int nvrtcVersion(int* major, int* minor) { return *major = NVRTC_MAJOR, *minor = 0, 0; }
EXPORT int nvrtcCreateProgram(void** program, const char*, const char*, int, void*, void*) { return *program = image, 0; }
EXPORT int nvrtcDestroyProgram(void**) { return 0; }
EXPORT int nvrtcCompileProgram(void*, int, const char**) { return 0; }
EXPORT int nvrtcGetProgramLogSize(void*, size_t* sizeBytes) { return *sizeBytes = 1, 0; }
EXPORT int nvrtcGetProgramLog(void*, char* log) { return *log = 0, 0; }
EXPORT int nvrtcGetCUBINSize(void*, size_t* sizeBytes) { return *sizeBytes = imageSize, 0; }
EXPORT int nvrtcGetCUBIN(void*, char* to) { return memcpy(to, image, imageSize), 0; }
EXPORT int nvrtcGetPTXSize(void*, size_t* sizeBytes) { return *sizeBytes = imageSize, 0; }
EXPORT int nvrtcGetPTX(void*, char* to) { return memcpy(to, image, imageSize), 0; }
