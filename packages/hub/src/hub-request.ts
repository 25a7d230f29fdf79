import { setTimeout as sleep } from "node:timers/promises";
import { freeBytes } from "./cache-writing.ts";
import { HubError } from "./hub-error.ts";
import type { HubSettings } from "./hub-settings.ts";
import { statusError } from "./status-error.ts";

/** What a download uses of a machine. */
export interface Machine {
  readonly fetch: typeof fetch;
  /** Waits; rejects with the signal's reason. */
  readonly wait: (timeMs: number, signal: AbortSignal | undefined) => Promise<void>;
  /** Free bytes on the disk of a folder; undefined if unknown. */
  readonly freeBytes: (folder: string) => Promise<number | undefined>;
}

/** The machine this runs on. */
export const thisMachine: Machine = {
  fetch: (input, init) => fetch(input, init),
  freeBytes,
  wait: async (timeMs, signal) => sleep(timeMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted()),
};

/** What all requests of one download share. */
export interface HubConnection {
  readonly settings: HubSettings;
  readonly machine: Machine;
  /** Receives what the user should know, such as a wait. */
  readonly notify: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** Requests for one answer, the first included. */
const MAX_ATTEMPTS = 6;
const MAX_WAIT_MS = 5 * 60_000;
/** The same for minutes later: without a network, an unknown host, or nothing that listens there. */
const LASTING = new Set(["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ENETDOWN"]);

/**
 * `fetch` for one repository: adds the token for the hub's own host only (a redirect to another host drops it), waits when
 * the hub asks for it, and repeats after passing failures.
 *
 * @throws HubError `HUB_UNREACHABLE`, `HUB_BUSY`, and those of `statusError`
 */
export const hubRequest = (connection: HubConnection, repository: string): typeof fetch => {
  const { settings, machine, notify, signal } = connection;
  const attempt = async (url: URL, init: RequestInit): Promise<Response> => {
    try {
      return await machine.fetch(url, { ...init, ...(signal && { signal }) });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new UnreachableError(url.host, cause);
    }
  };
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const withToken = { ...init, headers: authorized(url, settings, init.headers) };
    for (let failures = 0; ; failures++) {
      const outcome = await attempt(url, withToken).catch((error: unknown) => error);
      if (outcome instanceof Response && outcome.ok) return outcome;
      const delay = failures + 1 < MAX_ATTEMPTS ? delayMs(outcome, failures) : undefined;
      if (delay === undefined) throw outcome instanceof Response ? statusError(outcome, settings, repository) : outcome;
      if (delay > MAX_WAIT_MS) throw busy(url.host, delay);
      notify(`${reasonOf(outcome)}; trying again in ${Math.ceil(delay / 1000)} s`);
      await machine.wait(delay, signal);
    }
  };
};

const authorized = (url: URL, { endpoint, token }: HubSettings, given: HeadersInit | undefined): Headers => {
  const headers = new Headers(given);
  if (token !== undefined && url.origin === new URL(endpoint).origin) headers.set("Authorization", `Bearer ${token}`);
  return headers;
};

/** Time until the next attempt; undefined if another one would fail too. */
const delayMs = (outcome: unknown, failures: number): number | undefined => {
  const delay = 1000 * 2 ** failures;
  if (outcome instanceof UnreachableError) return outcome.isLasting ? undefined : delay;
  if (!(outcome instanceof Response)) return undefined;
  if (outcome.status === 429 || outcome.status === 503) return askedWaitMs(outcome.headers) ?? delay;
  return outcome.status >= 500 || outcome.status === 408 ? delay : undefined;
};

/** `Retry-After` in seconds or as a date, or the reset time of the hub's `RateLimit: "api";r=0;t=55`. */
const askedWaitMs = (headers: Headers): number | undefined => {
  const after = headers.get("Retry-After");
  const reset = /\bt\s*=\s*(\d+)/.exec(headers.get("RateLimit") ?? "")?.[1];
  const seconds = after ?? reset;
  if (seconds === undefined) return undefined;
  const time = /^\d+$/.test(seconds) ? Number(seconds) * 1000 : Date.parse(seconds) - Date.now();
  return Number.isFinite(time) ? Math.max(0, time) : undefined;
};

const reasonOf = (outcome: unknown): string =>
  outcome instanceof Response
    ? `the hub answered ${outcome.status}${outcome.status === 429 ? " (too many requests)" : ""}`
    : (outcome as UnreachableError).reason;

const busy = (host: string, timeMs: number): HubError =>
  new HubError(
    "HUB_BUSY",
    `${host} asks to wait ${Math.ceil(timeMs / 60_000)} minutes before the next request; run again after that, or set HF_TOKEN, which raises the limit`,
  );

/** No answer. */
export class UnreachableError extends HubError {
  readonly reason: string;
  /** Whether the next attempt would fail too. */
  readonly isLasting: boolean;

  constructor(host: string, cause: unknown) {
    const { code, message } = systemError(cause);
    const reason = `cannot reach ${host}: ${code ?? message}`;
    super("HUB_UNREACHABLE", `${reason}; check the network and HF_ENDPOINT, or use downloaded models with --offline`, {
      cause,
    });
    this.reason = reason;
    this.isLasting = code !== undefined && LASTING.has(code);
  }
}

/** `fetch` puts the system's error, or several of them, into the cause. */
const systemError = (error: unknown): { readonly code?: string; readonly message: string } => {
  if (!(error instanceof Error)) return { message: String(error) };
  const inner = error.cause instanceof AggregateError ? error.cause.errors[0] : error.cause;
  const { message, code } = (inner instanceof Error ? inner : error) as NodeJS.ErrnoException;
  return { message, ...(code !== undefined && { code }) };
};
