import type { CachePlan } from "../../backend.ts";
import { type BackendUnderTest, type Subject, withSubject } from "../backend-under-test.ts";
import { assertLaw, type Law } from "../law.ts";
import { expectedOutput } from "../oracle/expected-output.ts";
import { appended } from "../oracle/oracle-cache.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { canStartProcess, runInOtherProcess } from "../rig/other-process.ts";
import type { CallNumbers } from "../rig/random-rows.ts";
import { planOf, sampleLayers, smallShape } from "../rig/samples.ts";
import { assertClose } from "../rig/tensors.ts";

/** A snapshot outlives its process. */
export const newProcessLaw: Law = {
  name: "restores a snapshot in a new process and continues",
  skipped: ({ backendModule }) => {
    if (!backendModule) return "needs backendModule";
    return canStartProcess() ? undefined : "needs Node";
  },
  check: (options) => withSubject(options, (subject) => checkRestore(options, subject)),
};

const checkRestore = async (options: BackendUnderTest, subject: Subject): Promise<void> => {
  const layers = sampleLayers(subject, 5);
  const shape = smallShape(subject, { layers: layers.length, queryHeads: 2 });
  const checked = await CheckedCache.create(subject, shape, planOf(shape, ...layers));
  await checked.append(170, 1);
  const calls = shape.layers * 2;
  const numbers = Array.from({ length: calls }, () => checked.nextCall(2));
  const outputs = await continued(options, checked.oracle.plan, await checked.cache.snapshot(), numbers);
  for (const [index, call] of numbers.entries()) {
    const layer = index % shape.layers;
    checked.oracle = appended(checked.oracle, layer, call.key, call.value);
    const got = Float32Array.from(outputs[index] ?? []);
    assertLaw(got.length === call.query.length, `expected ${call.query.length} numbers back, got ${got.length}`);
    const expected = expectedOutput(checked.oracle, layer, call.query);
    assertClose(got, expected, subject.tolerance, `call ${index} in the new process, layer ${layer}`);
  }
};

const continued = async (
  { backendModule }: BackendUnderTest,
  plan: CachePlan,
  snapshot: Uint8Array,
  calls: readonly CallNumbers[],
): Promise<number[][]> => {
  const { url, exportName } = backendModule!;
  const input = {
    url,
    exportName,
    plan,
    snapshot: [...snapshot],
    calls: calls.map(({ query, key, value }) => [query, key, value].map((rows) => [...rows])),
  };
  return (await runInOtherProcess(SOURCE, input, backendModule!)) as number[][];
};

/** Layers take turns with the calls. */
const SOURCE = `
import { text } from "node:stream/consumers";
import { Tensor } from "onnxruntime-common";
const { url, exportName, plan, snapshot, calls } = JSON.parse(await text(process.stdin));
const create = (await import(url))[exportName];
const backend = await create();
const cache = await backend.restoreCache(plan.shape, plan, Uint8Array.from(snapshot));
const outputs = [];
for (const [index, rows] of calls.entries()) {
  const tensors = rows.map((numbers) => new Tensor("float32", Float32Array.from(numbers), [1, 2, numbers.length / 2]));
  const output = await cache.attend(index % plan.layers.length, ...tensors);
  outputs.push([...(await output.getData())]);
}
await cache.dispose();
await backend.dispose();
process.stdout.write(JSON.stringify(outputs));
`;
