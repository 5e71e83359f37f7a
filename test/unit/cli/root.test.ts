/** The root leaves its gateway, and is used from its file. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Loopback } from "../../help/loopback.ts";

const net = new Loopback();
afterAll(() => net.remove());
const [a, b, c, lone] = ["a", "b", "c", "lone"].map((name) => net.gateway(name)) as [
  ReturnType<Loopback["gateway"]>,
  ReturnType<Loopback["gateway"]>,
  ReturnType<Loopback["gateway"]>,
  ReturnType<Loopback["gateway"]>,
];
const file = join(net.folder, "mesh.root");
const words = join(net.folder, "words");
writeFileSync(words, "correct horse battery\n");
const wrong = join(net.folder, "wrong");
writeFileSync(wrong, "correct horse battery!\n");
const phrase = ["--passphrase-file", words];
const rootOn = (gateway: typeof a): boolean => existsSync(join(gateway.stateDir, "root.cbor"));
const placeOf = async (gateway: typeof a): Promise<boolean | undefined> => {
  const { capabilities } = await gateway.json<{ capabilities: { id: string; found: boolean }[] }>("doctor");
  return capabilities.find((row) => row.id === "root-key")?.found;
};

describe("a root that lies on its gateway", () => {
  test("is what doctor nags about, until it was moved", async () => {
    await lone.json("init", "--name", "lone");
    expect(await placeOf(lone)).toBe(false);
    await lone.json("root", "move", join(net.folder, "lone.root"), ...phrase);
    expect(rootOn(lone)).toBe(false);
    expect(await placeOf(lone)).toBe(true);
    expect(await lone.json("root", "check", join(net.folder, "lone.root"), ...phrase)).toMatchObject({ keys: 1 });
    expect(await lone.refusal("root", "move", join(net.folder, "more.root"), ...phrase)).toBe("root/not-here");
  });

  test.each([
    ["a place that is not there", join(net.folder, "none", "x.root"), words, "store/write"],
    ["a file that is there", words, words, "root/exists"],
    ["a passphrase that is too short", join(net.folder, "x.root"), "/dev/null", "usage/passphrase"],
    ["no terminal to ask at", join(net.folder, "x.root"), "", "usage/passphrase"],
  ])("stays there when it is to be moved with %s", async (name, to, passphrase, code) => {
    const gateway = net.gateway(name.replaceAll(" ", "-"));
    await gateway.json("init", "--name", "x");
    const given = passphrase === "" ? [] : ["--passphrase-file", passphrase];
    expect(await gateway.refusal("root", "move", to, ...given)).toBe(code);
    expect(rootOn(gateway)).toBe(true);
  });
});

describe("a root that never lay there", () => {
  test("founds a mesh all the same", async () => {
    await a.json("init", "--name", "a", "--root-out", file, ...phrase);
    expect(rootOn(a)).toBe(false);
    expect(await a.json("root", "check", file, ...phrase)).toMatchObject({ meshName: "mesh" });
  });

  test("opens with its own passphrase, for its own mesh", async () => {
    expect(await a.refusal("root", "check", file, "--passphrase-file", wrong)).toBe("root/passphrase");
    expect(await lone.refusal("root", "check", file, ...phrase)).toBe("root/foreign-key");
  });

  test("makes another member an issuer, who admits under its own name", async () => {
    await a.start();
    await b.json("join", await a.invite("--uses", "2"), "--name", "b");
    await b.start();
    expect(await b.refusal("invite")).toBe("invite/not-issuer");
    expect(await b.refusal("root", "certify", file, ...phrase)).toBe("state/in-use");
    const { port } = await b.json<{ port: number }>("status");
    await b.json("down");
    await b.end();
    expect(await b.json("root", "certify", file, "--admin", ...phrase)).toMatchObject({
      name: "b",
      nameSpace: "b",
      capabilities: ["admin", "issue"],
    });
    await b.start("--port", String(port)); // where a calls it: a takes no call under a certificate it has not seen yet
    const token = await b.invite();
    expect(await c.refusal("join", token, "--name", "c")).toBe("invite/name-outside-space");
    await c.json("join", token, "--name", "c.b");
    await c.start();
    await a.untilUp("b", "c.b");
  });

  test("revokes whom no member may", async () => {
    expect(await a.refusal("revoke", "b")).toBe("revoke/refused");
    expect(await a.refusal("revoke", "b", "--root", file, "--passphrase-file", wrong)).toBe("root/passphrase");
    await a.untilUp("b", "c.b");
    expect(await a.json("revoke", "b", "--root", file, ...phrase)).toMatchObject({ revoked: "b" });
    await a.untilUp(); // b, and c that stands below it
  });
});
