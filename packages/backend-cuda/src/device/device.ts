/** A GPU as the store sees it: memory, and kernels that run in launch order. Addresses are below 2^53. */
export interface Device {
  readonly description: DeviceDescription;
  /** @throws OutOfMemoryError `BACKEND_OUT_OF_MEMORY` */
  allocate(sizeBytes: number): DeviceMemory;
  /** Never throws. */
  free(memory: DeviceMemory): void;
  /** Copies bytes to the device. `numbers` may change once the call returns. */
  upload(address: number, numbers: Numbers): void;
  /** Waits for all launched kernels, then fills `numbers` from the device. */
  download(address: number, numbers: Numbers): void;
  /** Queues a kernel after all earlier launches. */
  launch(launch: Launch): void;
  /** Frees all memory of the device. After that every method except `free` throws a DisposedError. */
  dispose(): void;
}

export interface DeviceDescription {
  /** The driver's name for it. */
  readonly name: string;
  /** Such as "sm_90". */
  readonly architecture: string;
  readonly multiprocessors: number;
  readonly memoryBytes: number;
  /** Peak bandwidth, from memory clock and bus width; 0 if the driver reports none. */
  readonly memoryBytesPerSecond: number;
}

/** Memory on a device, aligned to 256 bytes. */
export interface DeviceMemory {
  readonly address: number;
  readonly sizeBytes: number;
}

/** Arrays that can be copied as bytes. */
export type Numbers = Uint8Array | Uint16Array | Uint32Array | Float32Array | BigUint64Array;

/** One kernel launch. */
export interface Launch {
  readonly kernel: KernelName;
  readonly grid: readonly [x: number, y: number, z: number];
  /** Threads per block. */
  readonly threads: number;
  readonly sharedBytes: number;
  /** The kernel's argument struct. */
  readonly argumentBytes: Uint8Array;
}

/** The kernels of `kernels/`, by module. */
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
    "decode_transform",
  ],
  "tensor-cores": ["attend_8_rows_on_tensor_cores"],
} as const;

/** A unit of compilation: the kernels that every backend needs, or optional ones. */
export type ModuleName = keyof typeof KERNELS;

/** A module as a device loads it. */
export interface ModuleImage {
  /** A binary for the device's architecture, or PTX that ends with a zero byte. */
  readonly image: Uint8Array;
  /** How error messages name it, such as the path of its file. */
  readonly name: string;
}

export type KernelName = (typeof KERNELS)[ModuleName][number];
