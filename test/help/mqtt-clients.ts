/** Debian's MQTT clients, by MQTT 5 and inside a gateway's namespace. */
import type { TestGateway } from "./netns.ts";
import { PATIENCE, type Result, run, until } from "./shell.ts";

const at = (host: string): string[] => ["-h", host, "-V", "5"];

/** What it says of a refusal stands in `stderr`. */
export const publish = (on: TestGateway, ...args: readonly string[]): Promise<Result> =>
  run(on.inside("mosquitto_pub", ...at("127.0.0.1"), "-q", "1", ...args));

export class Subscriber {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "ignore">;
  readonly #reading: Promise<void>;
  #text = "";

  private constructor(on: TestGateway, host: string, args: readonly string[]) {
    const command = ["stdbuf", "-oL", "mosquitto_sub", ...at(host), "-d", "-q", "1", "-v", ...args];
    this.#child = Bun.spawn(on.inside(...command), { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
    this.#reading = this.#read();
  }

  /** The broker has answered it when it resolves. */
  static async at(on: TestGateway, host: string, ...args: readonly string[]): Promise<Subscriber> {
    const made = new Subscriber(on, host, args);
    await until("a subscription", PATIENCE, async () => made.#text.includes("Subscribed") || undefined);
    return made;
  }

  static on(gateway: TestGateway, ...args: readonly string[]): Promise<Subscriber> {
    return Subscriber.at(gateway, "127.0.0.1", ...args);
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) this.#text += decoder.decode(chunk, { stream: true });
  }

  /** A line for each message. */
  get heard(): readonly string[] {
    return this.#text.split("\n").filter((line) => line !== "" && !/^(Client|Subscribed|Timed)/.test(line));
  }

  /** Until it has heard so many. */
  async untilHeard(count: number): Promise<readonly string[]> {
    const enough = async (): Promise<true | undefined> => this.heard.length >= count || undefined;
    await until(`${count} messages, of which there are ${this.heard.join("; ")}`, PATIENCE, enough);
    return this.heard;
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    await this.#reading;
  }
}

/** What is retained for `topic`: the first that a new subscriber hears. A mark that is published behind it ends the wait where there is nothing. */
export async function retained(on: TestGateway, topic: string): Promise<string | undefined> {
  const mark = `mark/${process.pid}`;
  const subscriber = await Subscriber.on(on, "-t", topic, "-t", mark);
  await publish(on, "-t", mark, "-m", "end");
  await subscriber.untilHeard(1);
  await subscriber.end();
  return subscriber.heard.find((line) => !line.startsWith(mark));
}

export const untilRetained = (on: TestGateway, topic: string, line: string | undefined): Promise<true> =>
  until(`${line} retained at ${on.name}`, PATIENCE, async () =>
    (await retained(on, topic)) === line ? true : undefined,
  );
