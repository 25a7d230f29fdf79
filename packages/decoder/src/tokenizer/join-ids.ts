/** Concatenates lists of token ids. Spreading them into arguments of a call fails above some 120,000 tokens. */
export const joinIds = (...lists: readonly ArrayLike<number>[]): Int32Array => {
  const joined = new Int32Array(lists.reduce((length, list) => length + list.length, 0));
  let start = 0;
  for (const list of lists) {
    joined.set(list, start);
    start += list.length;
  }
  return joined;
};
