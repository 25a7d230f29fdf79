/** One sample of so many is held out. */
const HELD_OUT = 3;

/**
 * Samples with those held out last, and the number of the others. Spread over all samples, for those of one text are neighbours. A single
 * sample is fitted to and measured on, which states too little.
 */
export const heldOutLast = (
  samples: readonly Int32Array[],
): { readonly ordered: Int32Array[]; readonly fit: number } => {
  const isHeldOut = (_: Int32Array, at: number): boolean => at > 0 && (samples.length - at) % HELD_OUT === 1;
  const held = samples.filter(isHeldOut);
  const others = samples.filter((own, at) => !isHeldOut(own, at));
  return { ordered: [...others, ...held], fit: others.length };
};
