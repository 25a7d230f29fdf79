// node tools/fetch-nvrtc.mjs: downloads NVRTC from its PyPI wheel into the checkout's cache folder and prints its path.
// KVTUNER_NVRTC names another one. Only tests and the shipped PTX need it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Newer versions write PTX that driver 580 cannot read. */
const VERSION = "13.0.88";

const cache = fileURLToPath(new URL("../../../.cache/", import.meta.url));

/** Path of NVRTC, downloaded if missing. Throws when that fails. */
export const fetchNvrtc = () => {
  if (process.env.KVTUNER_NVRTC) return process.env.KVTUNER_NVRTC;
  const folder = join(cache, `nvrtc-${VERSION}`);
  const library = join(folder, "nvidia/cu13/lib/libnvrtc.so.13");
  if (existsSync(library)) return library;
  install(folder);
  if (existsSync(library)) return library;
  throw new Error(`expected ${library} in the wheel of NVRTC ${VERSION}; name a library in KVTUNER_NVRTC`);
};

const install = (folder) => {
  const draft = `${folder}.${process.pid}`;
  mkdirSync(cache, { recursive: true });
  const wheel = `nvidia-cuda-nvrtc==${VERSION}`;
  const argv = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--target",
    draft,
    wheel,
  ];
  const { status, error, stderr } = spawnSync("python3", argv, { encoding: "utf8" });
  if (status === 0 && !existsSync(folder)) renameSync(draft, folder);
  rmSync(draft, { recursive: true, force: true });
  if (status !== 0)
    throw new Error(`${wheel} cannot be fetched with pip: ${error?.message ?? stderr.trim().split("\n").at(-1)}`);
};

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) console.log(fetchNvrtc());
