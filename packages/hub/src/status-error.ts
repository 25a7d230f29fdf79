import { HubError } from "./hub-error.ts";
import type { HubSettings } from "./hub-settings.ts";

/** The hub's words for a token that it does not know. */
const BAD_TOKEN = "Invalid credentials in Authorization header";

/**
 * The error for an answer of the hub. Uses status, `X-Error-Code` and `X-Error-Message`, but shows no text of the server,
 * which might repeat the token.
 */
export const statusError = ({ status, headers }: Response, settings: HubSettings, repository: string): HubError => {
  const { host } = new URL(settings.endpoint);
  const hasToken = settings.token !== undefined;
  const code = headers.get("X-Error-Code");
  if (headers.get("X-Error-Message") === BAD_TOKEN)
    return new HubError("HUB_TOKEN", `${host} refused the token; set HF_TOKEN to a valid one, or unset it`);
  if (code === "GatedRepo")
    return new HubError(
      "HUB_GATED",
      `${host} gives ${repository} only to users who accepted its terms; accept them at ${settings.endpoint}/${repository}${hasToken ? " as the user of the token, and wait if they must be approved" : ", and set HF_TOKEN to a token of that user"}`,
    );
  if (code === "RevisionNotFound")
    return new HubError("HUB_REVISION", `${host} has no such revision of ${repository}; check what follows the @`);
  if (code === "EntryNotFound")
    return new HubError("HUB_FILE", `${host} has no such file in ${repository}; check what follows the name`);
  if (code === "RepoNotFound" || status === 401 || status === 404)
    return new HubError(
      "HUB_REPOSITORY",
      `${host} has no model ${repository}${hasToken ? " that the token may read" : ", or it is private"}; check the name${hasToken ? " and the token" : ", or set HF_TOKEN to a token that may read it"}`,
    );
  if (status === 403)
    return new HubError("HUB_FORBIDDEN", `${host} refused access to ${repository}; check that the token may read it`);
  return new HubError("HUB_FAILED", `${host} answered ${status} for ${repository}; try again later`);
};
