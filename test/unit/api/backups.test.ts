/** What a daemon keeps for who makes a backup, and for how long. */
import { expect, test } from "bun:test";
import { backupMethods } from "../../../runtime/api/backups.io.ts";
import type { JsonObject } from "../../../runtime/api/protocol.ts";
import type { Contents } from "../../../runtime/provisioning/backup.io.ts";
import { PATIENCE, until } from "../../help/shell.ts";

const closed: number[] = [];
const contents = (number: number, fails = false): Contents => ({
  holds: ["a"],
  bytes: 3,
  parts: (async function* () {
    yield Uint8Array.of(1, 2, 3);
    if (fails) throw new Error("the medium is gone");
  })(),
  close: async () => void closed.push(number),
});

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(1_000_000);
}

type Ask = (method: string, id?: unknown) => Promise<JsonObject>;
function daemon(make: (number: number) => Contents, patience?: number): Ask {
  closed.length = 0;
  let made = 0;
  const methods = backupMethods(async () => make(made++), patience);
  return async (method, id) => (await methods[`backup-${method}`]?.({ id: String(id) })) as JsonObject;
}

test("what was read to its end is closed and forgotten", async () => {
  const ask = daemon(contents);
  const { id, holds, bytes } = await ask("open");
  expect({ holds, bytes }).toEqual({ holds: ["a"], bytes: 3 });
  expect(await ask("read", id)).toEqual({ data: Buffer.of(1, 2, 3).toString("base64"), end: true });
  expect(closed).toEqual([0]);
  await expect(ask("read", id)).rejects.toMatchObject({ code: "backup/gone" });
});

test("what cannot be read further is closed, and the reader told why", async () => {
  const ask = daemon((number) => contents(number, true));
  const { id } = await ask("open");
  await expect(ask("read", id)).rejects.toThrow("the medium is gone");
  expect(closed).toEqual([0]);
  await expect(ask("read", id)).rejects.toMatchObject({ code: "backup/gone" });
});

test("some are kept at a time; one more takes the place of the one that was not asked for longest", async () => {
  const ask = daemon((number) => ({ ...contents(number), parts: endless() }));
  const first = (await ask("open")).id;
  for (let i = 1; closed.length === 0; i++) {
    expect(i).toBeLessThan(100);
    await ask("read", first);
    await ask("open");
  }
  expect(closed).toEqual([1]);
  await ask("read", first);
  await ask("close", first);
  expect(closed).toEqual([1, 0]);
});

test("one that nobody asks for any more goes by itself", async () => {
  const ask = daemon(contents, 1);
  await ask("open");
  await until("it is closed", PATIENCE, async () => (closed.length > 0 ? true : undefined));
});
