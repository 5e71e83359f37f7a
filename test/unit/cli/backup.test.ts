/** A gateway that is restored from its backup is the same one, and goes on above what it wrote since. */
import { afterAll, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Loopback } from "../../help/loopback.ts";
import { PATIENCE, until } from "../../help/shell.ts";

const net = new Loopback();
afterAll(() => net.remove());
const [a, b] = [net.gateway("a"), net.gateway("b")];
const file = join(net.folder, "a.backup");
const words = join(net.folder, "words");
writeFileSync(words, "correct horse battery\n");
const phrase = ["--passphrase-file", words];

const reads = (gateway: typeof a, key: string): Promise<string> =>
  gateway.trellis("sync", "get", key).then(({ stdout }) => stdout);
const untilReads = (gateway: typeof a, key: string, value: string): Promise<true> =>
  until(`${key} at ${gateway.stateDir}`, PATIENCE, async () =>
    (await reads(gateway, key)) === value ? true : undefined,
  );

test("a backup", async () => {
  await a.json("init", "--name", "a");
  await a.start();
  const token = await a.invite();
  await b.json("join", token, "--name", "b");
  await b.start();
  await a.untilUp("b");
  await a.json("sync", "put", "kept", "before");
  await untilReads(b, "kept", "before");
  const running = await a.json<{ holds: string[] }>("backup", `${file}.running`, ...phrase);
  await a.end();
  const { holds } = await a.json<{ holds: string[] }>("backup", file, ...phrase);
  expect(holds).toEqual(expect.arrayContaining(["keys.cbor", "root.cbor", "member.cbor", "roster.cbor", "store"]));
  expect(running.holds).toEqual(holds);
  expect(await a.refusal("backup", file, ...phrase)).toBe("backup/exists");
  expect(await a.refusal("restore", file, ...phrase)).toBe("backup/in-use");

  await a.start();
  await a.json("sync", "put", "kept", "since");
  await a.json("sync", "put", "new", "since");
  await untilReads(b, "new", "since");
  await untilReads(b, "kept", "since"); // one may come by what is told, the other by what is compared
  const before = await a.json<{ nodeId: string; address: string }>("status");
  await a.end();
  rmSync(a.stateDir, { recursive: true });

  await a.json("restore", file, ...phrase);
  await a.start();
  expect(await a.json("status")).toMatchObject({ nodeId: before.nodeId, address: before.address });
  await untilReads(a, "new", "since"); // the others had it
  await untilReads(a, "kept", "since");
  await a.json("sync", "put", "kept", "after");
  await untilReads(b, "kept", "after");
});
