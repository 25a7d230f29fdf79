import { CudaError } from "../cuda-error.ts";
import type { DeviceDescription } from "../device/device.ts";
import type { DriverFunctions } from "./driver-functions.ts";
import { assertStarted } from "./driver-result.ts";

/** Source: cuda.h, enum CUdevice_attribute. */
const MULTIPROCESSORS = 16;
const MEMORY_CLOCK_KHZ = 36;
const BUS_BITS = 37;
const CAPABILITY_MAJOR = 75;
const CAPABILITY_MINOR = 76;

/** GPU memory transfers data on both edges of its clock. */
const TRANSFERS_A_CLOCK = 2;

/** Ampere: the oldest architecture that the kernels are compiled for. */
const OLDEST_MAJOR = 8;

/** A GPU and the driver's handle of it. */
export interface FoundDevice {
  readonly device: number;
  readonly description: DeviceDescription;
}

/**
 * Finds the GPU of an index.
 *
 * @throws CudaError `CUDA_NO_DEVICE`, or `CUDA_ARCHITECTURE` for one older than sm_80
 */
export const findDevice = (driver: DriverFunctions, index: number): FoundDevice => {
  const count = integerOf("cuDeviceGetCount", (out) => driver.cuDeviceGetCount(out));
  if (!Number.isInteger(index) || index < 0 || index >= count) throw noDevice(index, count);
  const device = integerOf("cuDeviceGet", (out) => driver.cuDeviceGet(out, index));
  const description = describe(driver, device);
  if (Number(description.architecture.slice(3, -1)) < OLDEST_MAJOR) throw tooOld(description);
  return { device, description };
};

const describe = (driver: DriverFunctions, device: number): DeviceDescription => {
  const attribute = (which: number): number =>
    integerOf("cuDeviceGetAttribute", (out) => driver.cuDeviceGetAttribute(out, which, device));
  const memoryBytes = new BigUint64Array(1);
  assertStarted("cuDeviceTotalMem", driver.cuDeviceTotalMem_v2(memoryBytes, device));
  return {
    name: nameOf(driver, device),
    architecture: `sm_${attribute(CAPABILITY_MAJOR)}${attribute(CAPABILITY_MINOR)}`,
    multiprocessors: attribute(MULTIPROCESSORS),
    memoryBytes: Number(memoryBytes[0]),
    memoryBytesPerSecond: 1000 * attribute(MEMORY_CLOCK_KHZ) * TRANSFERS_A_CLOCK * (attribute(BUS_BITS) / 8),
  };
};

const integerOf = (call: string, ask: (out: Int32Array) => number): number => {
  const out = new Int32Array(1);
  assertStarted(call, ask(out));
  return out[0]!;
};

const nameOf = (driver: DriverFunctions, device: number): string => {
  const letters = new Uint8Array(256);
  assertStarted("cuDeviceGetName", driver.cuDeviceGetName(letters, letters.length, device));
  return new TextDecoder().decode(letters.subarray(0, letters.indexOf(0)));
};

const noDevice = (index: number, count: number): CudaError =>
  new CudaError(
    "CUDA_NO_DEVICE",
    `expected a GPU index below ${count}, the number of GPUs, got ${index}; run nvidia-smi and check CUDA_VISIBLE_DEVICES`,
  );

const tooOld = ({ name, architecture }: DeviceDescription): CudaError =>
  new CudaError(
    "CUDA_ARCHITECTURE",
    `expected a GPU of architecture sm_80 or later (Ampere), got ${name} with ${architecture}; choose another GPU or backend`,
  );
