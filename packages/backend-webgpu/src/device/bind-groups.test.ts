import { expect, it } from "vitest";
import { BindGroups } from "./bind-groups.ts";
import type { Buffer } from "./buffer.ts";
import { noCounts } from "./counters.ts";
import type { Kernel } from "./kernel-library.ts";

const buffer = (id: number): Buffer => ({ id }) as Buffer;
const KERNEL = { id: 0 } as Kernel;

it("bind groups of a buffer that is no longer used leave nothing with the buffers that stay", () => {
  const counters = noCounts();
  const groups = new BindGroups({ createBindGroup: () => ({}) } as unknown as GPUDevice, buffer(1), counters);
  const workspace = [buffer(2), buffer(3)];
  groups.of(KERNEL, workspace);
  const before = groups.heldNames;
  for (let cache = 0; cache < 5; cache++) {
    const block = buffer(10 + cache);
    groups.of(KERNEL, [block, ...workspace]);
    groups.of(KERNEL, [workspace[0]!, block, block]);
    groups.forget(block);
  }
  expect(groups.heldNames).toBe(before);
  groups.of(KERNEL, workspace);
  expect(counters.bindGroups).toBe(11);
});
