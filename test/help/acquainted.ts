/** Gateways on one link that know each other's certificates, and nobody's address. */
import { type TestGateway, type TestNet, until } from "./netns.ts";
import { must } from "./shell.ts";

/** The commands of `ip` that give a gateway another address. */
export type Renumber = (g: TestGateway) => readonly (readonly string[])[];

export const elsewhere: Renumber = (g) => [
  ["-4", "address", "flush", "dev", "eth0"],
  ["address", "add", `${g.underlay.replace("10.78.", "10.79.")}/24`, "dev", "eth0"],
];

/** All know all, as of one mesh; then all daemons end, and their interfaces get other addresses. Gives overlay addresses. */
export async function acquaint(net: TestNet, renumber: Renumber = elsewhere): Promise<readonly string[]> {
  await net.build();
  const [first, ...others] = net.gateways as [TestGateway, ...TestGateway[]];
  await first.json("init", "--name", first.name);
  await first.start("--no-discovery");
  for (const g of others) {
    const { token } = await first.json<{ token: string }>("invite");
    await g.json("join", token, "--name", g.name);
    await g.start("--no-discovery");
  }
  const addresses: string[] = [];
  for (const g of net.gateways) {
    addresses.push((await g.json<{ address: string }>("status")).address);
    await until(`the roster of ${g.name}`, async () =>
      (await g.json<{ peers: readonly object[] }>("peers")).peers.length === others.length ? true : undefined,
    );
  }
  for (const g of net.gateways) {
    await g.end("SIGTERM");
    for (const words of renumber(g)) await must(["ip", "-n", g.namespace, ...words]);
  }
  return addresses;
}
