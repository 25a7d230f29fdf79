import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { HubError } from "./hub-error.ts";

/** Settings that all tools for the hub share, from environment variables. */
export interface HubSettings {
  /** URL without a final slash. */
  readonly endpoint: string;
  /** Folder of `models--OWNER--NAME`. */
  readonly cacheFolder: string;
  readonly token?: string;
  readonly offline: boolean;
}

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`, `HF_TOKEN` and `HF_TOKEN_PATH`. Meaning and precedence:
 * https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
 *
 * @throws HubError `HUB_ENDPOINT`, `HUB_TOKEN`
 */
export const hubSettings = (environment: Environment): HubSettings => {
  const home = environment["HF_HOME"] || join(cacheHome(environment), "huggingface");
  const token = readToken(environment, home);
  return {
    endpoint: endpointOf(environment["HF_ENDPOINT"] || "https://huggingface.co"),
    cacheFolder: environment["HF_HUB_CACHE"] || environment["HUGGINGFACE_HUB_CACHE"] || join(home, "hub"),
    ...(token !== "" && { token }),
    offline: /^(1|on|yes|true)$/i.test(environment["HF_HUB_OFFLINE"] ?? ""),
  };
};

const cacheHome = (environment: Environment): string => environment["XDG_CACHE_HOME"] || join(homedir(), ".cache");

/** Does not show the value: it may hold a password. */
const endpointOf = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "")
    return text.replace(/\/+$/, "");
  throw new HubError(
    "HUB_ENDPOINT",
    "expected HF_ENDPOINT to be an http or https URL without user and password, got another value; set it to the URL of a hub, or unset it",
  );
};

const readToken = (environment: Environment, home: string): string => {
  const given = environment["HF_TOKEN"] || environment["HUGGING_FACE_HUB_TOKEN"];
  const token = (given ?? readIfThere(environment["HF_TOKEN_PATH"] || join(home, "token"))).trim();
  if (/^[\u0021-\u007E]*$/.test(token)) return token;
  throw new HubError(
    "HUB_TOKEN",
    `expected a token of printable ASCII characters in ${given === undefined ? "the token file" : "HF_TOKEN"}, got other characters; copy the token again from the hub's settings`,
  );
};

const readIfThere = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};
