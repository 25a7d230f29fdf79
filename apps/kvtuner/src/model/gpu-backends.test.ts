import { beforeEach, expect, test, vi } from "vitest";
import { openCudaBackend, openWebGpuBackend } from "./gpu-backends.ts";
import { findGpu } from "./gpu.ts";
import { installedPackage } from "./installed-package.ts";

vi.mock("./installed-package.ts", () => ({ installedPackage: vi.fn<typeof installedPackage>() }));
vi.mock(import("./gpu.ts"), async (original) => ({ ...(await original()), findGpu: vi.fn<typeof findGpu>() }));

beforeEach(() => void vi.resetAllMocks());

test.each([
  ["@kvtuner/backend-webgpu", openWebGpuBackend],
  ["@kvtuner/backend-cuda", openCudaBackend],
])("without %s, says how to install it", async (name, open) => {
  await expect(open()).rejects.toMatchObject({
    code: "BACKEND_MISSING",
    message: expect.stringContaining(`npm install ${name}\``),
  });
});

test("without an adapter, says what a user of the command line can do", async () => {
  vi.mocked(installedPackage).mockReturnValue("there");
  const gpu = { requestAdapter: async () => null } as unknown as GPU;
  vi.mocked(findGpu).mockResolvedValue({ source: "webgpu", gpu });
  await expect(openWebGpuBackend()).rejects.toMatchObject({
    code: "BACKEND_NO_ADAPTER",
    message: expect.stringMatching(/--backend webgpu, got none; install the GPU's driver .*kvtuner doctor/),
    cause: { code: "BACKEND_NO_ADAPTER" },
  });
});

test("if requesting an adapter fails, says why and what to do", async () => {
  vi.mocked(installedPackage).mockReturnValue("there");
  const gpu = { requestAdapter: () => Promise.reject(new Error("no driver")) } as unknown as GPU;
  vi.mocked(findGpu).mockResolvedValue({ source: "webgpu", gpu });
  await expect(openWebGpuBackend()).rejects.toMatchObject({
    code: "BACKEND_NO_ADAPTER",
    message: expect.stringMatching(/--backend webgpu, got no driver; install the GPU's driver .*kvtuner doctor/),
  });
});
