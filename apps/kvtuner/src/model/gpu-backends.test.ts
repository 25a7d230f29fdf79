import { expect, test, vi } from "vitest";

import { openCudaBackend, openWebGpuBackend } from "./gpu-backends.ts";

vi.mock("./installed-package.ts", () => ({ installedPackage: () => undefined }));

test.each([
  ["@kvtuner/backend-webgpu", openWebGpuBackend],
  ["@kvtuner/backend-cuda", openCudaBackend],
])("without %s, says how to install it", async (name, open) => {
  await expect(open()).rejects.toMatchObject({
    code: "BACKEND_MISSING",
    message: expect.stringContaining(`npm install ${name}\``),
  });
});
