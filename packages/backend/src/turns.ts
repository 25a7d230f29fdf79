import { KvtunerError } from "@kvtuner/plan";

/** Runs calls one after another: each starts when the one before has ended, even if it failed. */
export class Turns {
  #last: Promise<unknown> | undefined;
  #underWay = 0;

  /** Runs `call` in its turn; immediately if no call is pending. */
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
   * For synchronous operations, which cannot wait.
   *
   * @throws CallUnderWayError `BACKEND_CALL_UNDER_WAY` while calls are pending
   */
  assertNone(name: string): void {
    if (this.#underWay > 0) throw new CallUnderWayError(name, this.#underWay);
  }
}

/** A synchronous call while others are pending; it has no effect. */
export class CallUnderWayError extends KvtunerError {
  constructor(name: string, underWay: number) {
    super(
      "BACKEND_CALL_UNDER_WAY",
      `expected no pending calls of the cache at ${name}, got ${underWay}; await them first`,
    );
    this.name = "CallUnderWayError";
  }
}
