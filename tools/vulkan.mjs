// A Vulkan driver for the WebGPU tests in Node: KVTUNER_VULKAN_ICD, or Mesa's software driver lavapipe, downloaded into the
// cache as Debian packages. It shows whether results are right; its times mean nothing.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, run } from "./workspace.mjs";

const folder = join(cacheFolder, "vulkan");
const libraries = join(folder, "lib");
const description = join(folder, "lavapipe.json");
const sources = "/etc/apt/sources.list.d/debian.sources";

/** Older ones have no WebGPU. */
const SUITE = "bookworm-backports";

/**
 * Environment variables that lead Dawn to a driver, as `{ env }`; or `{ skipped: reason }`. Never fails: a machine without
 * packages or network has other tests to run.
 */
export const vulkan = async () => {
  const icd = process.env.KVTUNER_VULKAN_ICD;
  if (icd) return { env: environment(icd) };
  try {
    if (!existsSync(description)) await download();
    return { env: environment(description) };
  } catch (error) {
    return { skipped: error.message };
  }
};

const environment = (icd) => ({
  KVTUNER_VULKAN: "found",
  VK_ICD_FILENAMES: icd,
  LD_LIBRARY_PATH: [libraries, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":"),
  XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? folder,
  MESA_SHADER_CACHE_DIR: join(folder, "shaders"),
  // Tests spend more time compiling than computing; narrow vectors and no optimization compile faster.
  LP_NATIVE_VECTOR_WIDTH: "128",
  GALLIVM_PERF: "nopt",
});

const download = async () => {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error("drivers can be fetched only on Linux x64");
  if (!existsSync(sources)) throw new Error("drivers can be fetched only on Debian 12; name one in KVTUNER_VULKAN_ICD");
  mkdirSync(join(folder, "packages"), { recursive: true });
  mkdirSync(join(folder, "lists/partial"), { recursive: true });
  mkdirSync(join(folder, "unpacked"), { recursive: true });
  writeFileSync(join(folder, "debian.sources"), withBackports(readFileSync(sources, "utf8")));
  await apt("update");
  await unpack(`mesa-vulkan-drivers/${SUITE}`, "libvulkan1");
  await unpackMissing();
  const library = join(libraries, "libvulkan_lvp.so");
  if (!existsSync(library)) throw new Error("the driver's package has no lavapipe");
  writeFileSync(
    description,
    JSON.stringify({ file_format_version: "1.0.0", ICD: { api_version: "1.4.305", library_path: library } }),
  );
};

/** The machine's own sources, plus the release with newer packages. */
const withBackports = (text) =>
  text
    .split(/\n{2,}/)
    .flatMap((entry) =>
      /^Suites:.*\bbookworm\b(?!-)/m.test(entry) ? [entry, entry.replace(/^Suites:.*$/m, `Suites: ${SUITE}`)] : [entry],
    )
    .join("\n\n");

/** apt with its own lists: changes nothing on the machine. */
const apt = async (...words) => {
  const own = {
    "Dir::Etc::sourcelist": join(folder, "debian.sources"),
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(folder, "lists"),
    "Dir::Cache::pkgcache": "",
    "Dir::Cache::srcpkgcache": "",
    "APT::Sandbox::User": "",
  };
  const options = Object.entries(own).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const { code, output } = await run(["apt-get", "-q", ...options, ...words], {
    output: "capture",
    cwd: join(folder, "packages"),
  });
  if (code !== 0) throw new Error(`apt-get ${words[0]} failed: ${output.trim().split("\n").at(-1)}`);
};

/** Downloads packages and puts their libraries into one folder. */
const unpack = async (...names) => {
  await apt("download", ...names);
  const packages = join(folder, "packages");
  for (const file of readdirSync(packages).filter((name) => name.endsWith(".deb"))) {
    const target = join(folder, "unpacked", file);
    if (existsSync(target)) continue;
    const { code, output } = await run(["dpkg", "-x", join(packages, file), target], { output: "capture" });
    if (code !== 0) throw new Error(`unpacking ${file} failed: ${output}`);
    const from = join(target, "usr/lib/x86_64-linux-gnu");
    if (existsSync(from)) cpSync(from, libraries, { recursive: true, verbatimSymlinks: true });
  }
};

/** Packages the driver's libraries need and the machine lacks; each round may find more. */
const unpackMissing = async () => {
  for (let round = 0; round < 4; round++) {
    const missing = await missingLibraries();
    if (missing.length === 0) return;
    await unpack(...new Set(missing.map(packageOf)));
  }
  throw new Error(`the driver needs ${(await missingLibraries()).join(", ")}`);
};

const missingLibraries = async () => {
  const command = ["ldd", join(libraries, "libvulkan_lvp.so")];
  const { output } = await run(command, { output: "capture", env: { LD_LIBRARY_PATH: libraries } });
  return [...output.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name);
};

/** Debian names most library packages after the library; these are exceptions. */
const packageOf = (library) => {
  const known = { "libLLVM-15.so.1": "libllvm15", "libxml2.so.2": "libxml2", "libicuuc.so.72": "libicu72" };
  const [, name, version] = /^(.*)\.so\.(\d+)$/.exec(library) ?? [];
  return known[library] ?? `${name}${/\d$/.test(name) ? "-" : ""}${version}`.toLowerCase();
};
