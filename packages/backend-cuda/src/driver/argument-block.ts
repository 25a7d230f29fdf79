import { loadKoffi } from "./load-library.ts";

/** Most bytes of a kernel's arguments. */
const SIZE_BYTES = 4096;

/** Memory outside of JavaScript for a kernel's argument struct, and the list of pointers to it. */
export interface ArgumentBlock {
  readonly bytes: Uint8Array;
  readonly parameters: BigUint64Array;
  free(): void;
}

/** Created once per device. A launch copies its arguments here; the driver copies them before it returns. */
export const createArgumentBlock = async (): Promise<ArgumentBlock> => {
  const koffi = await loadKoffi();
  const pointer = koffi.alloc("uint8_t", SIZE_BYTES) as never;
  return {
    bytes: new Uint8Array(koffi.view(pointer, SIZE_BYTES)),
    parameters: BigUint64Array.of(koffi.address(pointer)),
    free: () => koffi.free(pointer),
  };
};
