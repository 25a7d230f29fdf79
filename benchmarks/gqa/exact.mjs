/** Attention in double precision over `length` tokens of repeated `numbers` in all heads, and the new token. */
export const exactAttention = ({ queryHeads, kvHeads, headSize }, length, numbers, { query, key, value }) => {
  const output = new Float64Array(query.length);
  for (let head = 0; head < queryHeads; head++) {
    const own = Math.floor(head / (queryHeads / kvHeads)) * headSize;
    const row = (token, last) =>
      token === length
        ? last.subarray(own, own + headSize)
        : numbers.subarray((token * headSize) % numbers.length, ((token * headSize) % numbers.length) + headSize);
    const scores = Float64Array.from({ length: length + 1 }, (_, token) => {
      const keys = row(token, key);
      let sum = 0;
      for (let channel = 0; channel < headSize; channel++) sum += query[head * headSize + channel] * keys[channel];
      return sum / Math.sqrt(headSize);
    });
    const largest = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => Math.exp(score - largest));
    const total = weights.reduce((a, b) => a + b);
    for (let token = 0; token <= length; token++) {
      const values = row(token, value);
      for (let channel = 0; channel < headSize; channel++)
        output[head * headSize + channel] += (weights[token] / total) * values[channel];
    }
  }
  return output;
};

/** Largest difference, relative to the largest expected number. */
export const relativeError = (got, right) => {
  let worst = 0;
  let largest = 0;
  for (let index = 0; index < right.length; index++) {
    worst = Math.max(worst, Math.abs(got[index] - right[index]));
    largest = Math.max(largest, Math.abs(right[index]));
  }
  return worst / largest;
};
