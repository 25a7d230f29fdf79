import { mkdir } from "node:fs/promises";
import { expect, test, vi } from "vitest";
import { segmentFolder } from "./segment-folder.ts";

vi.mock("node:fs/promises", async (original) => ({ ...(await original<object>()), mkdir: vi.fn<typeof mkdir>() }));

test.each([
  ["ENOSPC", "free space on that disk"],
  ["EDQUOT", "free space on that disk"],
  ["EACCES", "check that this user can write there"],
])("advice for %s: %s", async (code, advice) => {
  vi.mocked(mkdir).mockRejectedValue(Object.assign(new Error(`${code}: reason`), { code }));
  const files = segmentFolder("folder", () => Promise.reject(new Error("not compiled")));
  const written = files.write("segment-0", async () => ({}) as never);
  await expect(written).rejects.toThrow(`segments to folder failed: ${code}: reason; ${advice}`);
});
