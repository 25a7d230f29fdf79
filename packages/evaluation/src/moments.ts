/** Mean of a sample and its standard error, which is NaN for one value. */
export const moments = (values: readonly number[]): { mean: number; standardError: number } => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: Math.sqrt(squares / (values.length - 1) / values.length) };
};
