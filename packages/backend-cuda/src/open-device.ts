import { type ImageOptions, kernelImage, type KernelOrigin } from "./compiler/kernel-image.ts";
import type { CompilerChoice } from "./compiler/nvrtc.ts";
import type { Device, ModuleImage, ModuleName } from "./device/device.ts";
import { createArgumentBlock } from "./driver/argument-block.ts";
import { DriverDevice } from "./driver/driver-device.ts";
import { findDevice } from "./driver/find-device.ts";
import { openDriver } from "./driver/open-driver.ts";

export interface OpenOptions extends ImageOptions, Pick<CompilerChoice, "compilers"> {
  readonly device?: number;
  readonly driver?: string;
  readonly tensorCores?: boolean;
}

/** A GPU with its kernels loaded. */
export interface OpenedDevice {
  readonly device: Device;
  readonly origin: KernelOrigin;
}

/** Finds a GPU, compiles or reads its kernels, and loads them. Throws the CudaError of the step that fails. */
export const openDevice = async (options: OpenOptions): Promise<OpenedDevice> => {
  const { driver, cudaMajor } = await openDriver(options.driver);
  const found = findDevice(driver, options.device ?? 0);
  const { architecture } = found.description;
  const request = { ...options, newestMajor: cudaMajor };
  const kernels = await kernelImage("kernels", architecture, request);
  const images = new Map<ModuleName, ModuleImage>([["kernels", kernels]]);
  if (options.tensorCores) images.set("tensor-cores", await kernelImage("tensor-cores", architecture, request));
  return { device: new DriverDevice(driver, found, images, await createArgumentBlock()), origin: kernels.origin };
};
