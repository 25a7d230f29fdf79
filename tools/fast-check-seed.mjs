import { configureGlobal, readConfigureGlobal } from "fast-check";

/**
 * Property tests draw the same cases in every run, so that a change is judged by what it changes. FC_SEED draws others:
 * FC_SEED=random npm test, or the seed that a failing run has printed. A page in a browser has no environment.
 */
const seed = globalThis.process?.env.FC_SEED ?? "20261124";
if (seed !== "random") configureGlobal({ ...readConfigureGlobal(), seed: Number(seed) });
