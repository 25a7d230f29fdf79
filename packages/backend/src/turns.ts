import { KvtunerError } from "@kvtuner/plan";

/** Calls that come one after the other, however they are made: each begins when the one before it has ended, well or not. */
export class Turns {
  #last: Promise<unknown> | undefined;
  #underWay = 0;

  /** Runs `call` in its turn: at once when there is nothing to wait for. */
  async take<Result>(call: () => Promise<Result>): Promise<Result> {
    this.#underWay++;
    const turn = this.#last === undefined ? call() : this.#last.then(call);
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#last = undefined;
    }
  }

  /**
   * For what cannot wait, as it is synchronous.
   *
   * @throws CallUnderWayError `BACKEND_CALL_UNDER_WAY` while calls are under way
   */
  assertNone(name: string): void {
    if (this.#underWay > 0) throw new CallUnderWayError(name, this.#underWay);
  }
}

/** A synchronous call while others are under way; the cache is as they leave it. */
export class CallUnderWayError extends KvtunerError {
  constructor(name: string, underWay: number) {
    super(
      "BACKEND_CALL_UNDER_WAY",
      `expected no pending calls of the cache at ${name}, got ${underWay}; await them first`,
    );
    this.name = "CallUnderWayError";
  }
}
