import { KvtunerError } from "@kvtuner/plan";

/** A model that could not be had from the hub; `code` tells why. Messages never contain the token. */
export class HubError extends KvtunerError {
  override readonly name = "HubError";
}
