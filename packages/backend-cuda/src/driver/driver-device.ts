import { assertAlive, OutOfMemoryError } from "@kvtuner/backend";
import {
  type Device,
  type DeviceDescription,
  type DeviceMemory,
  type KernelName,
  KERNELS,
  type Launch,
  type ModuleImage,
  type ModuleName,
  type Numbers,
} from "../device/device.ts";
import type { ArgumentBlock } from "./argument-block.ts";
import type { DriverFunctions, Handle } from "./driver-functions.ts";
import { assertLoaded, assertStarted, assertSuccess, isOutOfMemory } from "./driver-result.ts";
import type { FoundDevice } from "./find-device.ts";

/** A GPU through the driver API, on its primary context and default stream. */
export class DriverDevice implements Device {
  readonly description: DeviceDescription;
  readonly #driver: DriverFunctions;
  readonly #device: number;
  readonly #context: Handle;
  readonly #modules = new Map<ModuleName, Handle>();
  readonly #kernels = new Map<KernelName, Handle>();
  readonly #block: ArgumentBlock;
  readonly #out = new BigUint64Array(1);
  /** Sizes by address. Freed on disposal, because other users of the process may keep the context alive. */
  readonly #allocated = new Map<number, number>();
  #isDisposed = false;

  constructor(
    driver: DriverFunctions,
    { device, description }: FoundDevice,
    images: ReadonlyMap<ModuleName, ModuleImage>,
    block: ArgumentBlock,
  ) {
    this.#driver = driver;
    this.#device = device;
    this.description = description;
    this.#block = block;
    assertStarted("cuDevicePrimaryCtxRetain", driver.cuDevicePrimaryCtxRetain(this.#out, device));
    this.#context = this.#out[0]!;
    try {
      this.#enter();
      for (const [module, image] of images) this.#load(module, image);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  allocate(sizeBytes: number): DeviceMemory {
    this.#enter();
    const result = this.#driver.cuMemAlloc_v2(this.#out, sizeBytes);
    if (isOutOfMemory(result)) throw this.#full(sizeBytes);
    assertSuccess("cuMemAlloc", result);
    const address = Number(this.#out[0]);
    this.#allocated.set(address, sizeBytes);
    return { address, sizeBytes };
  }

  free({ address }: DeviceMemory): void {
    if (!this.#allocated.delete(address)) return;
    this.#driver.cuCtxSetCurrent(this.#context);
    this.#driver.cuMemFree_v2(address); // fails on a lost device, whose memory is gone anyway
  }

  upload(address: number, numbers: Numbers): void {
    this.#enter();
    assertSuccess("cuMemcpyHtoD", this.#driver.cuMemcpyHtoD_v2(address, numbers, numbers.byteLength));
  }

  download(address: number, numbers: Numbers): void {
    this.#enter();
    assertSuccess("cuMemcpyDtoH", this.#driver.cuMemcpyDtoH_v2(numbers, address, numbers.byteLength));
  }

  launch({ kernel, grid: [x, y, z], threads, sharedBytes, argumentBytes }: Launch): void {
    this.#enter();
    const handle = this.#kernelOf(kernel);
    this.#block.bytes.set(argumentBytes);
    const { parameters } = this.#block;
    const result = this.#driver.cuLaunchKernel(handle, x, y, z, threads, 1, 1, sharedBytes, 0, parameters, null);
    assertSuccess(`cuLaunchKernel of ${kernel}`, result);
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#driver.cuCtxSetCurrent(this.#context);
    for (const address of this.#allocated.keys()) this.#driver.cuMemFree_v2(address);
    this.#allocated.clear();
    for (const module of this.#modules.values()) this.#driver.cuModuleUnload(module);
    this.#driver.cuDevicePrimaryCtxRelease_v2(this.#device);
    this.#block.free();
  }

  #full(sizeBytes: number): OutOfMemoryError {
    const { name, memoryBytes } = this.description;
    let heldBytes = 0;
    for (const bytes of this.#allocated.values()) heldBytes += bytes;
    return new OutOfMemoryError(sizeBytes, memoryBytes, { what: `the memory of ${name}`, isFull: true, heldBytes });
  }

  #load(module: ModuleName, { image, name }: ModuleImage): void {
    assertLoaded(name, this.#driver.cuModuleLoadData(this.#out, image));
    this.#modules.set(module, this.#out[0]!);
  }

  /** Makes the context current, as other code of the process may have changed it. A disposed device has no context. */
  #enter(): void {
    assertAlive(this.#isDisposed, "backend");
    assertSuccess("cuCtxSetCurrent", this.#driver.cuCtxSetCurrent(this.#context));
  }

  #kernelOf(name: KernelName): Handle {
    const known = this.#kernels.get(name);
    if (known !== undefined) return known;
    const module = this.#modules.get(moduleOf(name))!;
    assertSuccess("cuModuleGetFunction", this.#driver.cuModuleGetFunction(this.#out, module, name));
    const handle = this.#out[0]!;
    this.#kernels.set(name, handle);
    return handle;
  }
}

const moduleOf = (kernel: KernelName): ModuleName =>
  KERNELS.kernels.some((name) => name === kernel) ? "kernels" : "tensor-cores";
