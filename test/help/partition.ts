/**
 * Two real daemons with one wire, which is cut; both write meanwhile; it is mended. For the test and the bench of what healing takes. Nobody tells
 * them: the wire carries nothing, and no device goes down.
 */
import { join } from "node:path";
import { call } from "../../runtime/api/client.io.ts";
import { utf8 } from "../../runtime/base/bytes.ts";
import { contentsOfDaemon } from "../../runtime/cli/running-backup.ts";
import { readArchive } from "../../runtime/store/archive.ts";
import { type TestGateway, TestNet, until } from "./netns.ts";
import { must, PATIENCE } from "./shell.ts";

const LOAD = `${import.meta.dir}/mqtt-load.ts`;
const LOOK = 50; // more often would be a load of its own

export interface Healing {
  /** From the mended wire until both hold the same, ms. */
  readonly took: number;
  /** From the mended wire until each counts the other among those with whom records are exchanged, ms. */
  readonly met: number;
  /** Bytes of Ethernet frames on the wire meanwhile, both ways. */
  readonly moved: number;
  /** Bytes of records with their proofs, and of the signatures of their batches, that one had and the other lacked. */
  readonly missing: number;
  readonly records: number;
}

interface Status {
  readonly records: number | null;
  readonly digest: string | null;
  readonly neighbours: readonly string[];
}

export class Partition {
  readonly #net = new TestNet("a", "b");
  readonly #pair = this.#net.gateways as readonly [TestGateway, TestGateway];

  /** `options`: of `trellis run`. */
  async start(...options: readonly string[]): Promise<void> {
    const [a, b] = this.#pair;
    await this.#net.buildWires(["a", "b"]);
    await a.json("init", "--name", "a");
    await a.start(...options);
    const { token } = await a.json<{ token: string }>("invite");
    await b.json("join", token, "--name", "b");
    await b.start(...options);
    await this.#write("common/", 1);
    await this.#untilAlike();
  }

  /** Cuts the wire for so many seconds at least, in which each side writes so many records of 100 bytes. */
  async heal(writes: number, seconds: number): Promise<Healing> {
    await this.#net.cut(1);
    const cut = performance.now();
    await this.#write("own/", writes);
    await Bun.sleep(Math.max(0, seconds * 1000 - (performance.now() - cut)));
    const [a, b] = await Promise.all(this.#pair.map(storeOf));
    const missing = lacking(a as Entries, b as Entries) + lacking(b as Entries, a as Entries);
    const before = await this.#carried();
    await this.#net.mend(1);
    const mended = performance.now();
    let met: number | undefined;
    const records = await this.#untilAlike((all) => {
      if (all.every(({ neighbours }) => neighbours.length > 0)) met ??= performance.now() - mended;
    });
    const took = performance.now() - mended;
    return { took, met: met ?? took, moved: (await this.#carried()) - before, missing, records };
  }

  remove(): Promise<void> {
    return this.#net.remove();
  }

  /** At both at once, by MQTT: acknowledged when it returns. */
  async #write(prefix: string, writes: number): Promise<void> {
    const load = (g: TestGateway): Promise<string> =>
      must(
        g.inside(
          process.execPath,
          LOAD,
          "127.0.0.1",
          "1883",
          `mesh/${prefix}${g.name}/`,
          `${writes}`,
          "100",
          `${writes}`,
          "16",
        ),
      );
    for (const g of this.#pair)
      await until(`the broker of ${g.name}`, async () => {
        const { sync } = await g.json<{ sync: { mqtt: { on: readonly string[] } | null } }>("status");
        return (sync.mqtt?.on.length ?? 0) > 0 ? true : undefined;
      });
    await Promise.all(this.#pair.map(load));
  }

  async #look(): Promise<readonly Status[]> {
    const ask = (g: TestGateway): Promise<{ sync: Status }> =>
      call(join(g.stateDir, "control.sock"), "status", {}, PATIENCE);
    return (await Promise.all(this.#pair.map(ask))).map(({ sync }) => sync);
  }

  /** Gives how many records both hold; `seen` is told what each look shows. */
  async #untilAlike(seen: (all: readonly Status[]) => void = () => {}): Promise<number> {
    const end = performance.now() + PATIENCE;
    while (performance.now() < end) {
      const all = await this.#look();
      seen(all);
      const [a, b] = all;
      if (a?.digest && a.digest === b?.digest && (a.records ?? 0) > 1) return a.records ?? 0;
      await Bun.sleep(LOOK);
    }
    throw new Error("the two do not agree");
  }

  /** Bytes on the wire so far, at the end of the first. */
  async #carried(): Promise<number> {
    const [link] = JSON.parse(await must(this.#net.onWires("ip", "-json", "-s", "link", "show", "wire1-1"))) as {
      stats64: { rx: { bytes: number }; tx: { bytes: number } };
    }[];
    return (link?.stats64.rx.bytes ?? 0) + (link?.stats64.tx.bytes ?? 0);
  }
}

/** Bytes of values, by range and key. */
type Entries = ReadonlyMap<string, number>;

/** Of the records and batches that a running gateway holds. */
async function storeOf(g: TestGateway): Promise<Entries> {
  const contents = await contentsOfDaemon(join(g.stateDir, "control.sock"));
  const bytes = Buffer.concat(await Array.fromAsync(contents?.parts ?? []));
  const start = bytes.indexOf(utf8("TRSTORE"));
  const entries = new Map<string, number>();
  async function* archive(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(start);
  }
  for await (const { range, key, value } of readArchive(archive()))
    if (range === "record" || range === "batch") entries.set(`${range} ${key.toHex()}`, value?.length ?? 0);
  return entries;
}

const lacking = (mine: Entries, theirs: Entries): number =>
  [...mine].reduce((sum, [name, size]) => sum + (theirs.has(name) ? 0 : size), 0);
