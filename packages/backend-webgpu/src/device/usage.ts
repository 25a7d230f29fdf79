/** Values of `GPUBufferUsage` and `GPUMapMode`, which Node lacks. */
export const MAP_READ = 0x1;
export const COPY_SOURCE = 0x4;
export const COPY_TARGET = 0x8;
export const UNIFORM = 0x40;
export const STORAGE = 0x80;
