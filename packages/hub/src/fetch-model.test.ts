import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { fetchHubModel, type HubModel, type HubOptions } from "./fetch-model.ts";
import { type Machine, thisMachine } from "./hub-request.ts";
import { type HubServer, startHubServer } from "./test-support/hub-server.ts";

const TOKEN = "hf_secretSecretSecret";
const REPOSITORY = "owner/tiny-GGUF";
const MODEL = `hf:${REPOSITORY}`;

const bytesOf = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 17 + (index >> 8)) & 255);

const LARGE = bytesOf(300_000, 1);
const FILES = {
  "README.md": bytesOf(10, 5),
  "tiny-Q4_K_M.gguf": LARGE,
  "tiny-Q8_0.gguf": bytesOf(1000, 2),
  "mmproj-tiny-F16.gguf": bytesOf(20, 6),
  "größe 模型/x y-00001-of-00002.gguf": bytesOf(70, 3),
  "größe 模型/x y-00002-of-00002.gguf": bytesOf(90, 4),
  "x-00001-of-00002.gguf": bytesOf(9, 7),
};

let server: HubServer;
/** Nothing listens there. */
let closed: string;
let home: string;
/** Everything that a user might see. */
let shown: string[];
let waits: number[];

beforeAll(async () => {
  const other = await startHubServer();
  closed = other.url;
  await other.close();
  server = await startHubServer();
});
afterAll(() => server.close());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "kvtuner-hub-"));
  [shown, waits] = [[], []];
  server.seen.length = 0;
  server.faults.length = 0;
  server.client.bytes = 0;
  server.set(REPOSITORY, { files: FILES, small: ["README.md", "tiny-Q8_0.gguf"] });
});
afterEach(() => {
  rmSync(home, { recursive: true });
  expect(shown.join("\n")).not.toContain(TOKEN);
  for (const { server: place, token } of server.seen) if (place === "storage") expect(token).toBeUndefined();
});

const machine: Machine = {
  ...thisMachine,
  wait: async (timeMs) => void waits.push(timeMs),
};

const fetchModel = async (name: string, options: HubOptions = {}): Promise<HubModel> => {
  const environment = { HF_HOME: home, HF_ENDPOINT: server.url, ...options.environment };
  try {
    const model = await fetchHubModel(name, {
      machine,
      onNotice: (notice) => void shown.push(notice),
      ...options,
      onProgress: (done, total, note) => {
        shown.push(`${done}/${total} ${note}`);
        options.onProgress?.(done, total, note);
        server.client.bytes = done;
      },
      environment,
    });
    shown.push(JSON.stringify(model));
    return model;
  } catch (error) {
    const { message, stack, cause, code } = error as Error & { code: string };
    shown.push(message, String(stack), JSON.stringify(cause), (cause as Error | undefined)?.stack ?? "");
    throw Object.assign(new Error(message), { code });
  }
};

const folder = (): string => join(home, "hub", "models--owner--tiny-GGUF");
const blobs = (): string[] => (existsSync(join(folder(), "blobs")) ? readdirSync(join(folder(), "blobs")) : []);
/** Compares faster than `toEqual`. */
const holds = (path: string, bytes: Uint8Array): boolean => readFileSync(path).equals(bytes);

const failure = async (name: string, options?: HubOptions): Promise<{ code: string; message: string }> =>
  fetchModel(name, options).then(
    () => expect.unreachable("expected an error"),
    (error: unknown) => error as { code: string; message: string },
  );

describe("a file of the hub", () => {
  test("is downloaded once into the layout that all tools share, with its commit", async () => {
    const model = await fetchModel(`${MODEL}:tiny-Q4_K_M.gguf`);
    const commit = server.commitOf(REPOSITORY);
    expect(model).toEqual({
      paths: [join(folder(), "snapshots", commit, "tiny-Q4_K_M.gguf")],
      source: `${MODEL}:tiny-Q4_K_M.gguf@${commit}`,
    });
    expect(holds(model.paths[0], LARGE)).toBe(true);
    expect(readlinkSync(model.paths[0])).toBe(`../../blobs/${server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf")}`);
    expect(readFileSync(join(folder(), "refs", "main"), "utf8")).toBe(commit);
    expect(blobs()).toEqual([server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf")]);
    expect(shown.filter((line) => line.startsWith("300000/300000 tiny-Q4_K_M.gguf to "))).not.toEqual([]);
    expect(shown[0]).toMatch(/^0\/300000 .* free$/);

    server.seen.length = 0;
    expect(await fetchModel(`${MODEL}:q4_k_m`)).toEqual(model);
    expect(server.seen.filter(({ path }) => path.includes("resolve"))).toEqual([]);
    server.seen.length = 0;
    expect(await fetchModel(model.source)).toEqual(model);
    expect(await fetchModel(`${MODEL}:Q4_K_M`, { offline: true })).toEqual(model);
    expect(await fetchModel(MODEL, { environment: { HF_HUB_OFFLINE: "1" } })).toEqual(model);
    expect(server.seen).toEqual([]);
  });

  test("kept in Git itself is named by its Git hash", async () => {
    const { paths } = await fetchModel(`${MODEL}:tiny-Q8_0.gguf`);
    expect(holds(paths[0], FILES["tiny-Q8_0.gguf"])).toBe(true);
    expect(blobs()).toEqual([server.hashOf(REPOSITORY, "tiny-Q8_0.gguf")]);
    expect(blobs()[0]).toHaveLength(40);
  });

  test("comes with all parts of a split model, given by any part", async () => {
    const commit = server.commitOf(REPOSITORY);
    for (const part of [1, 2]) {
      const { paths, source } = await fetchModel(`${MODEL}:größe 模型/x y-0000${part}-of-00002.gguf`);
      expect(paths.map((path) => readFileSync(path).length)).toEqual([70, 90]);
      expect(source).toBe(`${MODEL}:größe 模型/x y-00001-of-00002.gguf@${commit}`);
      server.seen.length = 0;
      expect((await fetchModel(source)).paths).toEqual(paths);
      expect(server.seen).toEqual([]);
    }
  });

  test("that another tool downloaded is used, also from another commit", async () => {
    const hash = server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf");
    mkdirSync(join(folder(), "blobs"), { recursive: true });
    writeFileSync(join(folder(), "blobs", hash), LARGE);
    const { paths } = await fetchModel(`${MODEL}:Q4_K_M`);
    expect(holds(paths[0], LARGE)).toBe(true);
    expect(server.seen.filter(({ path }) => path.includes("resolve"))).toEqual([]);
  });

  test("of a repository with one model needs no name, and follows its branch", async () => {
    server.set("owner/one", { files: { "a.gguf": bytesOf(50, 1), "mmproj-a.gguf": bytesOf(5, 1) } });
    const first = await fetchModel("hf:owner/one");
    server.set("owner/one", { files: { "a.gguf": bytesOf(50, 2) } });
    const second = await fetchModel("hf:owner/one@main");
    expect(second.source).not.toBe(first.source);
    expect(second.source).toBe(`hf:owner/one:a.gguf@${server.commitOf("owner/one")}`);
    expect((await fetchModel(first.source)).paths).toEqual(first.paths);
  });
});

describe("a download", () => {
  const path = (): string => join(folder(), "blobs", server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf"));
  const ranges = (): (string | undefined)[] =>
    server.seen.filter((one) => one.server === "storage").map(({ range }) => range);

  test("whose connection is cut continues where it broke", async () => {
    server.faults.push({ path: server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf"), cutAfter: 100_000 });
    server.faults.push({ path: server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf"), cutAfter: 50_000 });
    const { paths } = await fetchModel(`${MODEL}:Q4_K_M`);
    expect(holds(paths[0], LARGE)).toBe(true);
    expect(ranges()).toEqual([undefined, "bytes=100000-", "bytes=150000-"]);
    expect(shown).toContainEqual(expect.stringMatching(/connection broke at 100 KB of tiny-Q4_K_M\.gguf/));
  });

  test("that is aborted leaves a file that looks incomplete, from which the next one continues", async () => {
    const abort = new AbortController();
    server.faults.push({ path: server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf"), cutAfter: 100_000 });
    const stop = new Error("stopped");
    const onProgress = (done: number): void => void (done === 100_000 && abort.abort(stop));
    expect(await failure(`${MODEL}:Q4_K_M`, { signal: abort.signal, onProgress })).toMatchObject({
      message: "stopped",
    });
    expect(blobs()).toEqual([expect.stringMatching(/\.incomplete$/)]);
    expect(existsSync(join(folder(), "snapshots"))).toBe(false);
    expect(await failure(`${MODEL}:Q4_K_M`, { offline: true })).toMatchObject({ code: "HUB_OFFLINE" });
    await fetchModel(`${MODEL}:Q4_K_M`);
    expect(ranges()).toEqual([undefined, "bytes=100000-"]);
    expect(holds(path(), LARGE)).toBe(true);
    expect(blobs()).toHaveLength(1);
  });

  test.each([
    ["longer than the file", 400_000, undefined],
    ["of the file's length", 300_000, []],
  ])("continues from a rest %s", async (_, length, expected) => {
    mkdirSync(join(folder(), "blobs"), { recursive: true });
    const rest = new Uint8Array(length);
    rest.set(LARGE);
    writeFileSync(`${path()}.incomplete`, rest);
    await fetchModel(`${MODEL}:Q4_K_M`);
    expect(holds(path(), LARGE)).toBe(true);
    expect(ranges()).toEqual(expected ?? [undefined]);
  });

  test("continues from a server that has no ranges", async () => {
    mkdirSync(join(folder(), "blobs"), { recursive: true });
    writeFileSync(`${path()}.incomplete`, LARGE.subarray(0, 123_457));
    server.faults.push({ path: server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf"), ignoresRange: true });
    await fetchModel(`${MODEL}:Q4_K_M`);
    expect(holds(path(), LARGE)).toBe(true);
  });

  test("with a wrong hash is removed", async () => {
    server.faults.push({ path: server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf"), isWrong: true });
    const error = await failure(`${MODEL}:Q4_K_M`);
    expect(error).toMatchObject({
      code: "HUB_CHECKSUM",
      message: expect.stringMatching(/tiny-Q4_K_M\.gguf with hash/),
    });
    expect(blobs()).toEqual([]);
    expect(existsSync(join(folder(), "snapshots"))).toBe(false);
    await fetchModel(`${MODEL}:Q4_K_M`);
  });

  test("that brings nothing any more says so", async () => {
    const cut = { path: server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf"), cutAfter: 0 };
    server.faults.push({ ...cut, cutAfter: 100_000 }, ...Array.from({ length: 5 }, () => cut));
    const message = expect.stringMatching(/tiny-Q4_K_M\.gguf stopped at 100 KB of 300 KB.* continues there/);
    expect(await failure(`${MODEL}:Q4_K_M`)).toMatchObject({ code: "HUB_INTERRUPTED", message });
  });

  test("at the same time as another one of the same file gives the file", async () => {
    server.faults.push({ path: server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf"), cutAfter: 200_000 });
    const models = await Promise.all([1, 2, 3].map(() => fetchModel(`${MODEL}:Q4_K_M`)));
    for (const { paths } of models) expect(holds(paths[0], LARGE)).toBe(true);
    expect(blobs()).toHaveLength(1);
  });

  test("is not begun without room on the disk", async () => {
    const small = { ...machine, freeBytes: async () => 299_999 };
    const message = expect.stringMatching(/expected 300 KB .* for tiny-Q4_K_M\.gguf in .*, got 300 KB; make room/);
    expect(await failure(`${MODEL}:Q4_K_M`, { machine: small })).toMatchObject({ code: "HUB_DISK", message });
    expect(ranges()).toEqual([]);
    mkdirSync(join(folder(), "blobs"), { recursive: true });
    writeFileSync(`${path()}.incomplete`, LARGE.subarray(0, 1));
    await fetchModel(`${MODEL}:Q4_K_M`, { machine: small });
  });

  test("that fills the disk keeps what it has, and continues", async () => {
    const probe = await open(join(home, "probe"), "w");
    const prototype = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), {
      code: "ENOSPC",
      syscall: "write",
    });
    server.faults.push({ path: server.hashOf(REPOSITORY, "tiny-Q4_K_M.gguf"), cutAfter: 100_000 });
    const write = vi.spyOn(prototype, "write");
    onTestFinished(() => write.mockRestore());
    const onProgress = (done: number): void => void (done === 100_000 && write.mockRejectedValueOnce(full));
    const message = expect.stringMatching(/cannot write .*\.incomplete: ENOSPC: no space left on device; make room/);
    expect(await failure(`${MODEL}:Q4_K_M`, { onProgress })).toMatchObject({ code: "HUB_DISK", message });
    expect(blobs()).toEqual([expect.stringMatching(/\.incomplete$/)]);
    await fetchModel(`${MODEL}:Q4_K_M`);
    expect(holds(path(), LARGE)).toBe(true);
    expect(ranges().at(-1)).toBe("bytes=100000-");
  });
});

describe("the token", () => {
  const secret = { files: { "a.gguf": bytesOf(50, 1) }, token: TOKEN };
  beforeEach(() => server.set("owner/secret", secret));

  test.each([
    ["HF_TOKEN", () => ({ HF_TOKEN: `${TOKEN}\n` })],
    ["the older HUGGING_FACE_HUB_TOKEN", () => ({ HUGGING_FACE_HUB_TOKEN: TOKEN })],
    [
      "the file of HF_TOKEN_PATH",
      () => {
        writeFileSync(join(home, "elsewhere"), `${TOKEN}\n`);
        return { HF_TOKEN_PATH: join(home, "elsewhere") };
      },
    ],
    [
      "the file in HF_HOME",
      () => {
        writeFileSync(join(home, "token"), TOKEN);
        return {};
      },
    ],
  ])("is taken from %s, and sent to the hub only", async (_, environment) => {
    await fetchModel("hf:owner/secret", { environment: environment() });
    for (const { server: place, token } of server.seen)
      expect(token).toBe(place === "hub" ? `Bearer ${TOKEN}` : undefined);
    expect(server.seen.map(({ server: place }) => place)).toContain("storage");
  });

  test("that is no text of a header is refused without showing it", async () => {
    const error = await failure("hf:owner/secret", { environment: { HF_TOKEN: `${TOKEN}\n${TOKEN}` } });
    expect(error.code).toBe("HUB_TOKEN");
  });

  test("is not shown by any error, even if the server repeats it", async () => {
    const environment = { HF_TOKEN: TOKEN };
    for (const status of [400, 401, 403, 404, 410, 429, 500])
      for (const path of ["revision", "tree", "resolve"]) {
        const body = JSON.stringify({ error: `bad token ${TOKEN}` });
        const headers = { "X-Error-Message": TOKEN, "Content-Type": "application/json", "Retry-After": "400" };
        server.faults.push(...Array.from({ length: 6 }, () => ({ path, status, headers, body })));
        expect((await failure("hf:owner/secret", { environment })).code).toMatch(/^HUB_/);
        server.faults.length = 0;
      }
    server.faults.push({ path: "revision", status: 200, body: TOKEN });
    expect(await failure("hf:owner/secret", { environment })).toMatchObject({ code: "HUB_FAILED" });
    expect(await failure("hf:owner/secret", { environment: { ...environment, HF_ENDPOINT: closed } })).toMatchObject({
      code: "HUB_UNREACHABLE",
    });
  });
});

describe("a model that cannot be had says why", () => {
  test.each([
    ["hf:owner", "HUB_NAME", /hf:OWNER\/NAME.*got "hf:owner"/],
    ["hf:owner/../x", "HUB_NAME", /hf:OWNER/],
    ["hf:owner/name:../../x.gguf", "HUB_NAME", /hf:OWNER/],
    ["hf:owner/name@../../main", "HUB_NAME", /hf:OWNER/],
    [
      "hf:owner/unknown",
      "HUB_REPOSITORY",
      /no model owner\/unknown, or it is private; check the name, or set HF_TOKEN/,
    ],
    [`${MODEL}@v9`, "HUB_REVISION", /no such revision/],
    [
      `${MODEL}:tiny-Q2_K.gguf`,
      "HUB_FILE",
      /got "tiny-Q2_K\.gguf"; it has größe 模型\/x y-00001-of-00002\.gguf \(2 parts, 160 B\), tiny-Q4_K_M\.gguf \(300 KB\), tiny-Q8_0\.gguf \(1\.00 KB\)$/,
    ],
    [MODEL, "HUB_FILE", /as in hf:owner\/tiny-GGUF:größe .*, got none; it has .*300 KB/],
    ["hf:owner/gated", "HUB_GATED", /accept them at http.*\/owner\/gated, and set HF_TOKEN/],
    ["hf:owner/none", "HUB_FILE", /GGUF files in hf:owner\/none, got none/],
  ])("%s", async (name, code, message) => {
    server.set("owner/gated", { files: { "a.gguf": bytesOf(50, 1) }, isGated: true });
    server.set("owner/none", { files: { "model.safetensors": bytesOf(50, 1) } });
    expect(await failure(name)).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(existsSync(join(home, "hub", "models--owner--gated", "blobs"))).toBe(name === "hf:owner/gated");
  });

  test("a token that the hub does not know, or that may not read", async () => {
    const environment = { HF_TOKEN: TOKEN };
    const headers = { "X-Error-Message": "Invalid credentials in Authorization header" };
    server.faults.push({ path: "revision", status: 401, headers });
    expect(await failure(MODEL, { environment })).toMatchObject({
      code: "HUB_TOKEN",
      message: expect.stringMatching(/refused the token/),
    });
    server.faults.push({ path: "tree", status: 403 });
    expect(await failure(MODEL, { environment })).toMatchObject({ code: "HUB_FORBIDDEN" });
    expect(await failure("hf:owner/unknown", { environment })).toMatchObject({
      message: expect.stringMatching(/that the token may read/),
    });
  });

  test("no network, unless the model was downloaded before", async () => {
    const environment = { HF_ENDPOINT: closed };
    const { host } = new URL(closed);
    const message = expect.stringContaining(`cannot reach ${host}: ECONNREFUSED; check the network`);
    expect(await failure(`${MODEL}:Q8_0`, { environment })).toMatchObject({ code: "HUB_UNREACHABLE", message });
    expect(waits).toEqual([]);
    const model = await fetchModel(`${MODEL}:Q8_0`);
    expect(await fetchModel(`${MODEL}:Q8_0`, { environment })).toEqual(model);
    expect(shown).toContainEqual(
      `cannot reach ${host}: ECONNREFUSED; using ${model.source}, which was downloaded earlier`,
    );
  });

  test("an address that is no hub", async () => {
    server.faults.push({ path: "revision", status: 200, body: "<html>sign in</html>" });
    expect(await failure(MODEL)).toMatchObject({ code: "HUB_FAILED", message: expect.stringMatching(/sign-in page/) });
    expect(await failure(MODEL, { environment: { HF_ENDPOINT: "ftp://user:pass@x" } })).toMatchObject({
      code: "HUB_ENDPOINT",
      message: expect.not.stringContaining("pass@"),
    });
  });
});

describe("a busy hub", () => {
  test.each([
    ["Retry-After in seconds", { "Retry-After": "7" }, [7000]],
    ["Retry-After as a date", { "Retry-After": new Date(0).toUTCString() }, [0]],
    ["RateLimit", { RateLimit: '"api";r=0;t=55' }, [55_000]],
    ["no time", {}, [1000]],
  ] as [string, Record<string, string>, number[]][])("is waited for, by %s", async (_, headers, expected) => {
    server.faults.push({ path: "tree", status: 429, headers });
    await fetchModel(`${MODEL}:Q8_0`);
    expect(waits).toEqual(expected);
    expect(shown).toContainEqual(
      expect.stringMatching(/the hub answered 429 \(too many requests\); trying again in \d+ s/),
    );
  });

  test("is not waited for beyond five minutes, or six times", async () => {
    server.faults.push({ path: "tree", status: 429, headers: { "Retry-After": "301" } });
    expect(await failure(MODEL)).toMatchObject({ code: "HUB_BUSY", message: expect.stringMatching(/wait 6 minutes/) });
    server.faults.push(...Array.from({ length: 6 }, () => ({ path: "revision", status: 503 })));
    expect(await failure(MODEL)).toMatchObject({ code: "HUB_FAILED", message: expect.stringMatching(/answered 503/) });
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000]);
  });
});
