/** Float32 `[samples, rows, width]`: one row per token, for each of several cotangents. */
export interface SampleRows {
  readonly samples: number;
  readonly rows: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** Zeros. */
export const zeroRows = (samples: number, rows: number, width: number): SampleRows => ({
  samples,
  rows,
  width,
  data: new Float32Array(samples * rows * width),
});

/** Rows `from` up to `to` of each sample, `[samples, to - from, width]`; a view where they lie together. */
export const takeRows = ({ samples, rows, width, data }: SampleRows, from: number, to: number): Float32Array => {
  if (samples === 1) return data.subarray(from * width, to * width);
  const taken = new Float32Array(samples * (to - from) * width);
  for (let sample = 0; sample < samples; sample++)
    taken.set(
      data.subarray((sample * rows + from) * width, (sample * rows + to) * width),
      sample * (to - from) * width,
    );
  return taken;
};

/** Writes rows from `from` on. */
export const putRows = ({ samples, rows, width, data }: SampleRows, from: number, part: Float32Array): void => {
  const size = part.length / samples;
  for (let sample = 0; sample < samples; sample++)
    data.set(part.subarray(sample * size, (sample + 1) * size), (sample * rows + from) * width);
};

/** Adds to the rows from `from` on. */
export const addRows = ({ samples, rows, width, data }: SampleRows, from: number, part: Float32Array): void => {
  const size = part.length / samples;
  for (let sample = 0; sample < samples; sample++) {
    const target = data.subarray((sample * rows + from) * width, (sample * rows + from) * width + size);
    for (let index = 0; index < size; index++) target[index]! += part[sample * size + index]!;
  }
};
