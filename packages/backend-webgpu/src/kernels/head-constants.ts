/** Channels that the 64 lanes of a workgroup cover, four each. */
const LANE_CHANNELS = 256;

/**
 * Constants of kernels for one head size. UNITS count 16 channels, QUADS four. LANES cover a row, with LANE_QUADS quads each.
 */
export const headConstants = (headSize: number): Record<string, string> => ({
  HEAD_SIZE: `${headSize}u`,
  UNITS: `${headSize / 16}u`,
  QUADS: `${headSize / 4}u`,
  ...laneConstants(headSize),
  ...hadamardConstants(headSize & -headSize),
});

/** Constants of kernels that also read values, which may have another size; LANES are those of values. */
export const valueConstants = (headSize: number, valueSize: number): Record<string, string> => ({
  ...laneConstants(valueSize),
  VALUE_UNITS: `${valueSize / 16}u`,
  VALUE_QUADS: `${valueSize / 4}u`,
  MOST_QUADS: `${Math.max(headSize, valueSize) / 4}u`,
});

const laneConstants = (size: number): Record<string, string> => ({
  LANES: `${Math.min(size, LANE_CHANNELS) / 4}u`,
  LANE_QUADS: `${Math.ceil(size / LANE_CHANNELS)}u`,
});

/** 1 / sqrt(size) as a double, split into integers. The same factor as in `hadamardInPlace` of @kvtuner/quantizers. */
const hadamardConstants = (size: number): Record<string, string> => {
  const factor = 1 / Math.sqrt(size);
  const exponent = Math.floor(Math.log2(factor));
  const mantissa = factor * 2 ** (52 - exponent);
  return {
    HADAMARD_SIZE: `${size}u`,
    FACTOR: `${factor}f`,
    FACTOR_EXPONENT: `${exponent}i`,
    FACTOR_HIGH: `${Math.floor(mantissa / 2 ** 21)}u`,
    FACTOR_LOW: `${mantissa % 2 ** 21}u`,
  };
};
