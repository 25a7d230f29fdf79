/** Constants of kernels for head vectors of one size; channels come in units of 16, and in fours. */
export const headConstants = (headSize: number): Record<string, string> => ({
  HEAD_SIZE: `${headSize}u`,
  UNITS: `${headSize / 16}u`,
  QUADS: `${headSize / 4}u`,
  ...hadamardConstants(headSize & -headSize),
});

/** 1 / sqrt(size) as a double, in integers; as in `hadamardInPlace` of @kvtuner/quantizers. */
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
