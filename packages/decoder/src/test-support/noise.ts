/** Numbers from -1 to 1: a linear congruential generator that starts from the FNV-1a hash of a tensor's name. */
export const noise = (name: string): (() => number) => {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) state = Math.imul(state ^ byte, 0x01000193) >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
};
