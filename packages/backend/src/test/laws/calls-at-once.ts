import type { Tensor } from "onnxruntime-common";
import { readSnapshot } from "../../snapshot/read-snapshot.ts";
import { withSubject } from "../backend-under-test.ts";
import { assertLaw, type Law, textOf } from "../law.ts";
import { oracleImage } from "../oracle/oracle-image.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import type { CallNumbers } from "../rig/random-rows.ts";
import { assertRefused, isRefusal } from "../rig/refusals.ts";
import { assertSameImage } from "../rig/same-image.ts";
import { samplePlan } from "../rig/samples.ts";
import { callTensors } from "../rig/tensors.ts";

/** Calls that do not wait get the same result as calls that do, or an error. */
export const callsAtOnceLaw: Law = {
  name: "runs concurrent calls in turn, and stays consistent if truncated or disposed of meanwhile",
  check: (options) =>
    withSubject(options, async (subject) => {
      const plan = samplePlan(subject);
      const checked = await CheckedCache.create(subject, plan.shape, plan);
      const other = await CheckedCache.create(subject, plan.shape, plan, 2);
      for (const cache of [checked, other]) await cache.append(50, 1);
      await checkTurns(checked);
      await checkTruncate(checked);
      await checkDispose(checked, "cache", () => checked.cache.dispose());
      await checkDispose(other, "backend", () => subject.backend.dispose());
    }),
};

/** Two calls per layer and a snapshot, none awaited. */
const checkTurns = async (checked: CheckedCache): Promise<void> => {
  const { shape, plan } = checked.oracle;
  const calls = [60, 1].flatMap((tokens) =>
    Array.from({ length: shape.layers }, (_, layer) => ({ layer, call: checked.nextCall(tokens) })),
  );
  const outputs = Promise.allSettled(calls.map(({ layer, call }) => checked.cache.attend(layer, ...callTensors(call))));
  const [snapshot] = await Promise.allSettled([checked.cache.snapshot()]);
  const settled = await outputs;
  for (const [index, { layer, call }] of calls.entries())
    await checked.compare(layer, call, valueOf(settled[index]!, `concurrent call ${index}`));
  const bytes = valueOf(snapshot, "a snapshot after pending calls");
  assertSameImage(await readSnapshot(bytes, shape, plan), oracleImage(checked.oracle));
  await checked.append(1);
};

const valueOf = <Value>(result: PromiseSettledResult<Value>, what: string): Value => {
  assertLaw(result.status === "fulfilled", `expected ${what} to be accepted, got ${textOf(refusalOf(result))}`);
  return result.value;
};

const refusalOf = (result: PromiseSettledResult<unknown>): unknown =>
  result.status === "rejected" ? result.reason : undefined;

/** Truncates during a call: rejected, or as if the call had been awaited. */
const checkTruncate = async (checked: CheckedCache): Promise<void> => {
  const { call, output } = await lastCall(checked, 3);
  const isTaken = takesTruncate(checked, 20);
  const [result] = await Promise.allSettled([output]);
  await checked.compare(checked.oracle.shape.layers - 1, call, valueOf(result, "a call before truncate()"));
  if (isTaken) checked.oracle = checked.truncatedOracle(20);
  checked.assertCounts();
  await checked.append(30, 1);
  await checked.assertStored();
};

const takesTruncate = (checked: CheckedCache, length: number): boolean => {
  try {
    checked.cache.truncate(length);
    return true;
  } catch (error) {
    const isRightRefusal = isRefusal(error, ["BACKEND_CALL_UNDER_WAY"]);
    assertLaw(
      isRightRefusal,
      `expected truncate() to be accepted, or refused because a call is pending, got ${textOf(error)}`,
    );
    return false;
  }
};

/** Disposes during a call, which gives the right output or is rejected. */
const checkDispose = async (checked: CheckedCache, what: string, dispose: () => Promise<void>): Promise<void> => {
  const { call, output } = await lastCall(checked, 2);
  const late = checked.cache.snapshot();
  const gone = dispose();
  const [result, lateResult] = await Promise.allSettled([output, late]);
  await gone;
  for (const one of [result, lateResult])
    if (one.status === "rejected")
      await assertRefused(`a call of a ${what} that is disposed of meanwhile`, ["BACKEND_DISPOSED"], () => {
        throw one.reason;
      });
  if (result.status === "fulfilled") await checked.compare(checked.oracle.shape.layers - 1, call, result.value);
};

/** Tokens in all layers; the last layer's call is not awaited. */
const lastCall = async (
  checked: CheckedCache,
  tokens: number,
): Promise<{ readonly call: CallNumbers; readonly output: Promise<Tensor> }> => {
  const last = checked.oracle.shape.layers - 1;
  for (let layer = 0; layer < last; layer++) await checked.attend(layer, checked.nextCall(tokens));
  const call = checked.nextCall(tokens);
  return { call, output: checked.cache.attend(last, ...callTensors(call)) };
};
