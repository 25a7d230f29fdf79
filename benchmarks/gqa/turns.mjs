import { median } from "simple-statistics";
import { settled } from "./dawn.mjs";

const WARM_UP_CALLS = 3;

/** Several calls, awaited once: milliseconds until they were submitted, and until they were done. */
const timedCalls = async (device, decode, calls) => {
  const start = performance.now();
  for (let call = 0; call < calls; call++) await decode();
  const handedOverMs = performance.now() - start;
  await settled(device.queue.onSubmittedWorkDone());
  return { hostMs: handedOverMs / calls, totalMs: (performance.now() - start) / calls };
};

/** Median milliseconds of a call of each variant. Variants take turns, so that a GPU that slows down slows all of them. */
export const timeInTurns = async (device, variants, { rounds, calls }) => {
  const turns = variants.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [index, { decode }] of variants.entries()) {
      await timedCalls(device, decode, WARM_UP_CALLS);
      turns[index].push(await timedCalls(device, decode, calls));
    }
  return turns.map((times) => ({
    hostMs: median(times.map(({ hostMs }) => hostMs)),
    totalMs: median(times.map(({ totalMs }) => totalMs)),
  }));
};
