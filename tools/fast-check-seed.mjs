import { configureGlobal, readConfigureGlobal } from "fast-check";

/**
 * Property tests draw the same cases in every run, so that a change is judged by what it changes. FC_SEED draws others:
 * FC_SEED=random npm test, or the seed that a failing run has printed.
 */
const { FC_SEED = "20261124" } = process.env;
if (FC_SEED !== "random") configureGlobal({ ...readConfigureGlobal(), seed: Number(FC_SEED) });
