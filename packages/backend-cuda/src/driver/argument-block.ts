import { loadKoffi } from "./load-library.ts";

/** Most bytes that a kernel's arguments may take. */
const SIZE_BYTES = 4096;

/** Memory outside of JavaScript for the one struct that a kernel takes, and the list of pointers that leads to it. */
export interface ArgumentBlock {
  readonly bytes: Uint8Array;
  readonly parameters: BigUint64Array;
  free(): void;
}

/** Made once for a device: a launch copies its arguments here, and the driver from here before it returns. */
export const createArgumentBlock = async (): Promise<ArgumentBlock> => {
  const koffi = await loadKoffi();
  const pointer = koffi.alloc("uint8_t", SIZE_BYTES) as never;
  return {
    bytes: new Uint8Array(koffi.view(pointer, SIZE_BYTES)),
    parameters: BigUint64Array.of(koffi.address(pointer)),
    free: () => koffi.free(pointer),
  };
};
