/** The powers of ten that values above 0 lie between, both ends included and two at least. */
export const decadesOf = (values: readonly number[]): number[] => {
  const logarithms = Float64Array.from(values, (value) => Math.log10(value)).toSorted();
  const low = Math.floor(logarithms[0] ?? Infinity);
  const high = Math.max(low + 1, Math.ceil(logarithms.at(-1) ?? -Infinity));
  // Read from text, 1e-7 is exactly what the axis writes; a power is not always.
  return Array.from({ length: high - low + 1 }, (_, index) => Number(`1e${low + index}`));
};
