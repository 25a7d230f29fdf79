import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A repository with one branch, `main`. */
export interface ServedRepository {
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** Kept in Git itself; all others are large files. */
  readonly small?: readonly string[];
  /** Token that may read it; anyone by default. */
  readonly token?: string;
  /** Answers like a repository whose terms the user did not accept. */
  readonly isGated?: boolean;
}

/** A request that was answered. */
export interface Seen {
  readonly server: "hub" | "storage";
  readonly path: string;
  readonly token: string | undefined;
  readonly range: string | undefined;
}

/** An answer in place of the usual one. */
export interface Fault {
  /** Part of the paths it is for. */
  readonly path: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Breaks the connection when the client has this many bytes of the answer. */
  readonly cutAfter?: number;
  /** Sends other bytes than the file's. */
  readonly isWrong?: boolean;
  /** Sends the whole file to a request for a range. */
  readonly ignoresRange?: boolean;
}

/**
 * A server that speaks the hub's API, and one on another port that stores large files, as the hub redirects to one. Answers
 * as https://huggingface.co/docs/hub/api and the clients of the hub describe.
 */
export interface HubServer {
  readonly url: string;
  readonly seen: Seen[];
  /** Bytes of the file that the client has, which the test keeps up to date: a broken connection loses what is not read. */
  readonly client: { bytes: number };
  /** Each is used for one request, the first that fits. */
  readonly faults: Fault[];
  readonly commitOf: (repository: string) => string;
  readonly hashOf: (repository: string, path: string) => string;
  readonly set: (repository: string, served: ServedRepository) => void;
  readonly close: () => Promise<void>;
}

const PAGE = 3;

/** Starts both servers. */
export const startHubServer = async (): Promise<HubServer> => {
  const repositories = new Map<string, ServedRepository>();
  const seen: Seen[] = [];
  const faults: Fault[] = [];
  const client = { bytes: 0 };
  const stored = new Map<string, Uint8Array>();
  const answering =
    (server: Seen["server"], answer: Answer) =>
    (request: IncomingMessage, response: ServerResponse): void => {
      const { pathname: path, searchParams } = new URL(request.url ?? "/", "http://localhost");
      const { authorization: token, range } = request.headers;
      seen.push({ server, path, token, range });
      const index = faults.findIndex((fault) => path.includes(fault.path));
      const [fault] = index < 0 ? [] : faults.splice(index, 1);
      if (fault?.status === undefined)
        answer(request, response, { path: decodeURIComponent(path), searchParams, fault });
      else response.writeHead(fault.status, fault.headers).end(fault.body);
    };
  const storage = await listen(
    createServer(
      answering("storage", (request, response, { path, fault }) =>
        send(request, response, stored.get(path), fault, client),
      ),
    ),
  );
  const hub = await listen(
    createServer(
      answering("hub", (request, response, { path, searchParams, fault }) => {
        const [, api, owner = "", name = "", kind = "", , rest = ""] =
          /^(\/api\/models)?\/([^/]+)\/([^/]+)\/(revision|tree|resolve)\/(main|[0-9a-f]{40})\/?(.*)$/.exec(path) ?? [];
        const repository = repositories.get(`${owner}/${name}`);
        const revision = /\/(?:revision|tree|resolve)\/([^/]+)/.exec(path)?.[1];
        const commit = repository && commitOf(repository);
        const isAllowed =
          repository?.token === undefined || request.headers.authorization === `Bearer ${repository.token}`;
        const bare = /^(?:\/api\/models)?\/([^/]+\/[^/]+)\//.exec(path)?.[1] ?? "";
        if (!repositories.has(bare) || (repository && !isAllowed)) return refuse(response, 401, "RepoNotFound");
        if (!repository || (revision !== "main" && revision !== commit))
          return refuse(response, 404, "RevisionNotFound");
        if (api && kind === "revision") return json(response, { _id: "1", id: `${owner}/${name}`, sha: commit });
        if (api) return listTree(response, repository, searchParams, `http://${request.headers.host}${path}`);
        if (repository.isGated) return refuse(response, 403, "GatedRepo");
        const bytes = repository.files[rest];
        if (bytes === undefined) return refuse(response, 404, "EntryNotFound");
        if (repository.small?.includes(rest))
          return send(request, response, bytes, fault, client, {
            "X-Repo-Commit": commit!,
            ETag: `"${gitHash(bytes)}"`,
          });
        stored.set(`/${sha256(bytes)}`, bytes);
        response
          .writeHead(302, {
            Location: `${storage.url}/${sha256(bytes)}`,
            "X-Repo-Commit": commit!,
            "X-Linked-Etag": `"${sha256(bytes)}"`,
            "X-Linked-Size": bytes.length,
            "Accept-Ranges": "bytes",
          })
          .end();
      }),
    ),
  );
  const repositoryOf = (name: string): ServedRepository => repositories.get(name)!;
  return {
    url: hub.url,
    seen,
    faults,
    client,
    commitOf: (name) => commitOf(repositoryOf(name)),
    hashOf: (name, path) => hashOf(repositoryOf(name), path),
    set: (name, served) => void repositories.set(name, served),
    close: async () => {
      await hub.close();
      await storage.close();
    },
  };
};

type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  asked: {
    readonly path: string;
    readonly searchParams: URLSearchParams;
    readonly fault: Fault | undefined;
  },
) => void;

const listen = async (server: Server): Promise<{ readonly url: string; readonly close: () => Promise<void> }> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const gitHash = (bytes: Uint8Array): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

const hashOf = ({ files, small }: ServedRepository, path: string): string =>
  (small?.includes(path) ? gitHash : sha256)(files[path]!);

/** Changes with the files. */
const commitOf = (repository: ServedRepository): string =>
  createHash("sha1")
    .update(
      Object.keys(repository.files)
        .map((path) => `${path} ${hashOf(repository, path)}`)
        .join(),
    )
    .digest("hex");

const json = (response: ServerResponse, value: unknown, headers: Readonly<Record<string, string>> = {}): void =>
  void response.writeHead(200, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(value));

const refuse = (response: ServerResponse, status: number, code: string): void =>
  void response
    .writeHead(status, { "X-Error-Code": code, "Content-Type": "application/json" })
    .end('{"error":"refused"}');

/** In pages, as the hub lists a thousand files at a time. */
const listTree = (
  response: ServerResponse,
  repository: ServedRepository,
  query: URLSearchParams,
  url: string,
): void => {
  const from = Number(query.get("cursor") ?? 0);
  const paths = Object.keys(repository.files);
  const entries = paths.slice(from, from + PAGE).map((path) => {
    const bytes = repository.files[path]!;
    const hash = hashOf(repository, path);
    if (repository.small?.includes(path)) return { type: "file", path, size: bytes.length, oid: hash };
    return {
      type: "file",
      path,
      size: bytes.length,
      oid: "0".repeat(40),
      lfs: { oid: hash, size: bytes.length, pointerSize: 130 },
    };
  });
  const next = `<${url}?recursive=true&cursor=${from + PAGE}>; rel="next"`;
  json(response, entries, from + PAGE < paths.length ? { Link: next } : {});
};

const send = (
  { method, headers }: IncomingMessage,
  response: ServerResponse,
  file: Uint8Array | undefined,
  fault: Fault | undefined,
  client: { readonly bytes: number },
  more: Readonly<Record<string, string>> = {},
): void => {
  if (!file) return void response.writeHead(404).end();
  const bytes = fault?.isWrong ? file.map((byte) => byte ^ 1) : file;
  const from = fault?.ignoresRange ? 0 : Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0);
  if (from >= bytes.length && from > 0) return void response.writeHead(416).end();
  const range = { "Content-Range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(from > 0 ? 206 : 200, {
    ...more,
    "Content-Length": bytes.length - from,
    "Accept-Ranges": "bytes",
    ...(from > 0 && range),
  });
  if (method === "HEAD") return void response.end();
  if (fault?.cutAfter === undefined) return void response.end(bytes.subarray(from));
  const end = from + fault.cutAfter;
  response.flushHeaders();
  response.write(bytes.subarray(from, end));
  const timer = setInterval(() => {
    if (client.bytes >= end || response.destroyed) response.destroy();
    if (response.destroyed) clearInterval(timer);
  }, 5);
};
