import { KvtunerError } from "@kvtuner/plan";

/** The error, if it says what is wrong with a model; throws any other. */
export const faultOf = (error: unknown): KvtunerError => {
  if (KvtunerError.isInstance(error)) return error;
  throw error;
};

/** Result of `work`; if it throws, adds the error to `faults` and returns the fallback. */
export const orFault = <Result, Fallback>(
  faults: KvtunerError[],
  work: () => Result,
  fallback: Fallback,
): Result | Fallback => {
  try {
    return work();
  } catch (error) {
    faults.push(faultOf(error));
    return fallback;
  }
};

/** {@link orFault} for work that takes time; undefined without a result. */
export const orFaultLater = async <Result>(
  faults: KvtunerError[],
  work: () => Promise<Result>,
): Promise<Result | undefined> => {
  try {
    return await work();
  } catch (error) {
    faults.push(faultOf(error));
    return undefined;
  }
};
