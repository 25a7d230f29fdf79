// A layer of the codec `transform` with made-up tables, for benchmarks. Widths fall evenly from 3 bits above the mean to 3 below, as
// coded channels of real models do about.

const table = (name, shape, numbers) => ({ name, dtype: "float32", shape, data: Float32Array.from(numbers) });

const widthsOf = (bits, channels) =>
  Array.from({ length: channels }, (_, index) => {
    const width = Math.round(bits + 3 - (6 * index) / (channels - 1));
    return Math.max(0, Math.min(8, width));
  });

/** Product of reflections: a matrix that is its own transposed inverse. */
const rotationOf = (next, size) => {
  const rows = Array.from({ length: size }, (_, row) =>
    Float64Array.from({ length: size }, (_, at) => Number(at === row)),
  );
  for (let round = 0; round < 4; round++) {
    const direction = Float64Array.from({ length: size }, () => next());
    const length = direction.reduce((sum, x) => sum + x * x, 0);
    for (const row of rows) {
      const along = (2 * row.reduce((sum, x, at) => sum + x * direction[at], 0)) / length;
      for (let at = 0; at < size; at++) row[at] -= along * direction[at];
    }
  }
  return rows.flatMap((row) => [...row]);
};

const twice = (numbers) => [...numbers, ...numbers];

const tensorOf = (name, bits, { kvHeads, size, form, next }) => {
  const isDiagonal = form === "channels";
  const all = (numbersOf) => Array.from({ length: kvHeads }, numbersOf).flat();
  const widths = widthsOf(bits, size);
  // A step of 17 visits all channels of a size that is a power of 2.
  const own = isDiagonal ? widths.map((_, at) => widths[(17 * at) % size]) : widths;
  const rotation = isDiagonal
    ? table(`${name}.rotation`, [kvHeads, 2, size], new Float32Array(kvHeads * 2 * size).fill(1))
    : table(
        `${name}.rotation`,
        [kvHeads, 2, size, size],
        all(() => twice(rotationOf(next, size))),
      );
  const assets = [
    table(
      `${name}.mean`,
      [kvHeads, size],
      all(() => Array.from({ length: size }, () => 0.5 * next())),
    ),
    rotation,
    { name: `${name}.widths`, dtype: "uint8", shape: [kvHeads, size], data: Uint8Array.from(all(() => own)) },
    table(
      `${name}.scales`,
      [kvHeads, 2, size],
      all(() => Array.from({ length: 2 * size }, (_, at) => Number(at >= size))),
    ),
    ...(isDiagonal
      ? [
          table(
            `${name}.frequencies`,
            [size / 2],
            Array.from({ length: size / 2 }, (_, pair) => 1e5 ** ((-2 * pair) / size)),
          ),
        ]
      : []),
  ];
  const scheme = {
    kind: "transform",
    stage: isDiagonal ? "before-rope" : "as-given",
    frequencies: isDiagonal ? `${name}.frequencies` : "none",
    pairing: isDiagonal ? "halves" : "none",
    mean: `${name}.mean`,
    rotation: `${name}.rotation`,
    signs: "none",
    bits: [own.reduce((sum, width) => sum + width, 0) / size],
    widths: `${name}.widths`,
    gain: "log4",
    levels: "gaussian",
    scales: `${name}.scales`,
    metric: "none",
    blockSize: 8,
  };
  return { scheme, assets };
};

/** The layer and its assets. `form` is that of the keys: `channels` before RoPE, or `folded`. */
export const transformLayer = (form, bits, { kvHeads, headSize }, next) => {
  const key = tensorOf("key", bits, { kvHeads, size: headSize, form, next });
  const value = tensorOf("value", bits, { kvHeads, size: headSize, form: "folded", next });
  return {
    layer: { key: key.scheme, value: value.scheme, residency: { kind: "prefix", sinks: 4, recent: 32 } },
    assets: [...key.assets, ...value.assets],
  };
};
