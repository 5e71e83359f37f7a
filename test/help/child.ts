/** A program in a network namespace that answers one JSON value a line: requests `{ id, ... }` in, `{ id, value | error }` out. */
import { createInterface } from "node:readline";

export class Child<Request extends { readonly call: string }, Answers> {
  readonly #child;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  readonly #reading: Promise<void>;
  #next = 0;

  constructor(netns: string, program: string, options: unknown) {
    const command = ["ip", "netns", "exec", netns, process.execPath, program, JSON.stringify(options)];
    this.#child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    this.#reading = this.#read();
  }

  get pid(): number {
    return this.#child.pid;
  }

  async #read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const { id, value, error } = JSON.parse(line) as { id: number; value?: unknown; error?: string };
        const waiting = this.#waiting.get(id);
        this.#waiting.delete(id);
        if (error === undefined) waiting?.resolve(value as never);
        else waiting?.reject(new Error(error));
      }
    }
    for (const { reject } of this.#waiting.values()) reject(new Error("the program ended"));
  }

  ask<R extends Request>(request: R): Promise<R["call"] extends keyof Answers ? Answers[R["call"]] : null> {
    const id = this.#next++;
    this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.#child.exited;
    await this.#reading;
  }
}

/** The other side: answers each request until standard input ends. */
export async function serve<Request>(answer: (request: Request) => Promise<unknown>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, ...request } = JSON.parse(line) as { id: number } & Request;
    let reply: { value: unknown } | { error: string };
    try {
      reply = { value: (await answer(request as Request)) ?? null };
    } catch (error) {
      reply = { error: String(error) };
    }
    process.stdout.write(`${JSON.stringify({ id, ...reply })}\n`);
  }
}
