/** Folder of the kernels, next to this file's folder in both the sources and the build. */
export const kernelFolder: URL = new URL("../kernels/", import.meta.url);

/** Folder of the kernels in PTX, for machines without NVRTC. */
export const ptxFolder: URL = new URL("../ptx/", import.meta.url);
