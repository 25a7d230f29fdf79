import type { KoffiLibrary } from "./load-library.ts";

/** A handle of the driver, or an address on the device. */
export type Handle = number | bigint;

/** Output parameter of a function. */
export type Out = Int32Array | BigUint64Array | Uint8Array;

/** Result code of a call; 0 is success. */
export type Result = number;

/** The functions of the driver API in use, under their C names. */
export interface DriverFunctions {
  readonly cuInit: (flags: number) => Result;
  readonly cuDriverGetVersion: (version: Out) => Result;
  readonly cuDeviceGetCount: (count: Out) => Result;
  readonly cuDeviceGet: (device: Out, ordinal: number) => Result;
  readonly cuDeviceGetName: (name: Out, sizeBytes: number, device: number) => Result;
  readonly cuDeviceGetAttribute: (value: Out, attribute: number, device: number) => Result;
  readonly cuDeviceTotalMem_v2: (sizeBytes: Out, device: number) => Result;
  readonly cuDevicePrimaryCtxRetain: (context: Out, device: number) => Result;
  readonly cuDevicePrimaryCtxRelease_v2: (device: number) => Result;
  readonly cuCtxSetCurrent: (context: Handle) => Result;
  readonly cuModuleLoadData: (module: Out, image: Uint8Array) => Result;
  readonly cuModuleUnload: (module: Handle) => Result;
  readonly cuModuleGetFunction: (kernel: Out, module: Handle, name: string) => Result;
  readonly cuMemAlloc_v2: (address: Out, sizeBytes: number) => Result;
  readonly cuMemFree_v2: (address: Handle) => Result;
  readonly cuMemcpyHtoD_v2: (to: Handle, from: ArrayBufferView, sizeBytes: number) => Result;
  readonly cuMemcpyDtoH_v2: (to: ArrayBufferView, from: Handle, sizeBytes: number) => Result;
  readonly cuLaunchKernel: (
    kernel: Handle,
    gridX: number,
    gridY: number,
    gridZ: number,
    blockX: number,
    blockY: number,
    blockZ: number,
    sharedBytes: number,
    stream: Handle,
    parameters: BigUint64Array,
    extra: null,
  ) => Result;
}

/** C prototypes of {@link DriverFunctions}. Handles and addresses are declared as 64-bit integers. */
const PROTOTYPES: Readonly<Record<keyof DriverFunctions, string>> = {
  cuInit: "int cuInit(uint32_t flags)",
  cuDriverGetVersion: "int cuDriverGetVersion(void *version)",
  cuDeviceGetCount: "int cuDeviceGetCount(void *count)",
  cuDeviceGet: "int cuDeviceGet(void *device, int ordinal)",
  cuDeviceGetName: "int cuDeviceGetName(void *name, int size, int device)",
  cuDeviceGetAttribute: "int cuDeviceGetAttribute(void *value, int attribute, int device)",
  cuDeviceTotalMem_v2: "int cuDeviceTotalMem_v2(void *size, int device)",
  cuDevicePrimaryCtxRetain: "int cuDevicePrimaryCtxRetain(void *context, int device)",
  cuDevicePrimaryCtxRelease_v2: "int cuDevicePrimaryCtxRelease_v2(int device)",
  cuCtxSetCurrent: "int cuCtxSetCurrent(uint64_t context)",
  cuModuleLoadData: "int cuModuleLoadData(void *module, const void *image)",
  cuModuleUnload: "int cuModuleUnload(uint64_t module)",
  cuModuleGetFunction: "int cuModuleGetFunction(void *kernel, uint64_t module, const char *name)",
  cuMemAlloc_v2: "int cuMemAlloc_v2(void *address, size_t size)",
  cuMemFree_v2: "int cuMemFree_v2(uint64_t address)",
  cuMemcpyHtoD_v2: "int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size)",
  cuMemcpyDtoH_v2: "int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size)",
  cuLaunchKernel:
    "int cuLaunchKernel(uint64_t kernel, uint32_t gridX, uint32_t gridY, uint32_t gridZ, uint32_t blockX, uint32_t blockY, uint32_t blockZ, uint32_t shared, uint64_t stream, void *parameters, void *extra)",
};

/** Finds the functions in a driver library. Throws koffi's error if one is missing. */
export const driverFunctions = (library: KoffiLibrary): DriverFunctions =>
  Object.fromEntries(
    Object.entries(PROTOTYPES).map(([name, prototype]) => [name, library.func(prototype)]),
  ) as unknown as DriverFunctions;
