/** A GPU as the store uses it: memory, and kernels that run one after another. Addresses are below 2^53. */
export interface Device {
  readonly description: DeviceDescription;
  /** @throws OutOfMemoryError `BACKEND_OUT_OF_MEMORY` */
  allocate(sizeBytes: number): DeviceMemory;
  /** Never throws. */
  free(memory: DeviceMemory): void;
  /** Copies bytes to the device; the numbers may be changed once the call returns. */
  upload(address: number, numbers: Numbers): void;
  /** Waits for all that was launched, and fills `numbers` from the device. */
  download(address: number, numbers: Numbers): void;
  /** Starts a kernel after all that were launched before. */
  launch(launch: Launch): void;
  /** Gives back what the device holds; memory that was not freed goes with it. All later calls but `free` throw a DisposedError. */
  dispose(): void;
}

/** What a device is. */
export interface DeviceDescription {
  /** As the driver calls it. */
  readonly name: string;
  /** Such as "sm_90". */
  readonly architecture: string;
  readonly multiprocessors: number;
  readonly memoryBytes: number;
  /** What its memory can give at most, by its clock and the width of its bus; 0 where the driver does not say. */
  readonly memoryBytesPerSecond: number;
}

/** Memory on a device, aligned to 256 bytes. */
export interface DeviceMemory {
  readonly address: number;
  readonly sizeBytes: number;
}

/** Numbers of any sort, as bytes. */
export type Numbers = Uint8Array | Uint16Array | Float32Array | BigUint64Array;

/** One start of a kernel. */
export interface Launch {
  readonly kernel: KernelName;
  readonly grid: readonly [x: number, y: number, z: number];
  /** Threads of a block. */
  readonly threads: number;
  readonly sharedBytes: number;
  /** The kernel's struct. */
  readonly argumentBytes: Uint8Array;
}

/** The kernels of `kernels/`, by the module that they are loaded with. */
export const KERNELS = {
  kernels: [
    "append_rows",
    "encode_rows",
    "encode_groups",
    "attend_1_row",
    "attend_4_rows",
    "attend_8_rows",
    "reduce_splits",
    "decode_rows",
    "import_codes",
    "export_codes",
    "copy_parameters",
    "copy_exact",
  ],
  "tensor-cores": ["attend_8_rows_on_tensor_cores"],
} as const;

/** A unit of compilation: the kernels of every backend, or optional ones. */
export type ModuleName = keyof typeof KERNELS;

/** A module as a device loads it. */
export interface ModuleImage {
  /** A binary for the device's architecture, or PTX that ends with a zero byte. */
  readonly image: Uint8Array;
  /** How error messages name it, such as the path of its file. */
  readonly name: string;
}

/** Name of a kernel. */
export type KernelName = (typeof KERNELS)[ModuleName][number];
