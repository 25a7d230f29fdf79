/** Where the kernels are: beside the folder of this file, in the sources as in what is built of them. */
export const kernelFolder: URL = new URL("../kernels/", import.meta.url);

/** Where the kernels in PTX are, for machines without NVRTC. */
export const ptxFolder: URL = new URL("../ptx/", import.meta.url);
