/** Work of a backend on its device so far. */
export interface GpuCounters {
  /** Command buffers handed to the device. */
  submits: number;
  dispatches: number;
  /** Downloads from the device to the CPU. */
  readBacks: number;
  /** Buffers created and their bytes; destroyed ones still count. */
  buffers: number;
  bufferBytes: number;
  bindGroups: number;
  pipelines: number;
}

export const noCounts = (): GpuCounters => ({
  submits: 0,
  dispatches: 0,
  readBacks: 0,
  buffers: 0,
  bufferBytes: 0,
  bindGroups: 0,
  pipelines: 0,
});
