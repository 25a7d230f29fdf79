import { configureGlobal, readConfigureGlobal } from "fast-check";

/**
 * Gives property tests the same cases in every run, so that a failure comes from a change. Set FC_SEED for other cases:
 * FC_SEED=random npm test, or the seed that a failing run printed. Pages in a browser have no environment variables.
 */
const seed = globalThis.process?.env.FC_SEED ?? "20261124";
if (seed !== "random") configureGlobal({ ...readConfigureGlobal(), seed: Number(seed) });
