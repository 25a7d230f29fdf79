/** At least two powers of ten that enclose all values above 0. */
export const decadesOf = (values: readonly number[]): number[] => {
  const logarithms = Float64Array.from(values, (value) => Math.log10(value)).toSorted();
  const low = Math.floor(logarithms[0] ?? Infinity);
  const high = Math.max(low + 1, Math.ceil(logarithms.at(-1) ?? -Infinity));
  // Parsed text gives exactly the 1e-7 that the axis writes; a computed power may not.
  return Array.from({ length: high - low + 1 }, (_, index) => Number(`1e${low + index}`));
};
