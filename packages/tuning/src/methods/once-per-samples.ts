import type { Calibration } from "./method.ts";

/**
 * What a function learns from a calibration, kept by its samples: one backward pass serves all settings of a method. After a failure, a
 * later setting tries again.
 */
export const oncePerSamples = <Learned>(
  learn: (calibration: Calibration) => Promise<Learned>,
): ((calibration: Calibration) => Promise<Learned>) => {
  const known = new WeakMap<Calibration["samples"], Promise<Learned>>();
  return (calibration) => {
    const { samples } = calibration;
    const found = known.get(samples) ?? learn(calibration);
    known.set(samples, found);
    found.catch(() => known.delete(samples));
    return found;
  };
};
