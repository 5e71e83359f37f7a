/** Source addresses of the mesh hidden behind this gateway's own, by a table of ours in nftables. */
import { TrellisError } from "../base/errors.ts";

/** Devices by whose name nobody can write rules. */
const PLAIN = /^[A-Za-z0-9._-]+$/;
const PATIENCE = 5000; // ms

const tableOf = (device: string): string => `trellis-${device}`;

/** What comes from the mesh to these subnets leaves with an address of this machine. In place of what was asked for before. Throws `subnets/masquerade`. */
export async function masquerade(device: string, subnets: readonly string[]): Promise<void> {
  if (!PLAIN.test(device))
    throw failed(`the device name ${JSON.stringify(device)} cannot stand in a rule`, "another --device");
  const table = `inet ${tableOf(device)}`;
  const rule = (family: string, some: readonly string[]): string[] =>
    some.length === 0 ? [] : [`iifname "${device}" ${family} daddr { ${some.join(", ")} } masquerade`];
  const rules = [
    ...rule(
      "ip",
      subnets.filter((s) => !s.includes(":")),
    ),
    ...rule(
      "ip6",
      subnets.filter((s) => s.includes(":")),
    ),
  ];
  // Declared first, so that deleting it never fails; all of it is one transaction.
  const script = [
    `table ${table}`,
    `delete table ${table}`,
    `table ${table} {`,
    "  chain leaving {",
    "    type nat hook postrouting priority srcnat; policy accept;",
    ...rules.map((line) => `    ${line}`),
    "  }",
    "}",
  ];
  const problem = await nft(script.join("\n"));
  if (problem !== undefined) throw problem;
}

/** Nothing happens where there is no such table. */
export async function endMasquerade(device: string): Promise<void> {
  const table = `inet ${tableOf(device)}`;
  const problem = await nft(`table ${table}\ndelete table ${table}\n`);
  if (problem !== undefined) throw problem;
}

export const hasNft = (): boolean => programOf() !== undefined;

/** Debian keeps it outside a user's PATH. */
const programOf = (): string | undefined =>
  Bun.which("nft") ?? Bun.which("nft", { PATH: "/usr/sbin:/sbin" }) ?? undefined;

async function nft(script: string): Promise<TrellisError | undefined> {
  const program = programOf();
  if (program === undefined) return failed("there is no `nft` on this machine", "apt-get install nftables");
  const child = Bun.spawn([program, "-f", "-"], {
    stdin: new TextEncoder().encode(script),
    stdout: "ignore",
    stderr: "pipe",
    timeout: PATIENCE,
  });
  const said = (await new Response(child.stderr).text()).trim();
  const code = await child.exited;
  if (code === 0) return undefined;
  return failed(
    `nft says: ${said.split("\n")[0] || `code ${code}`}`,
    "does this kernel have nf_tables with nat (CONFIG_NFT_MASQ)?",
  );
}

const failed = (reason: string, what: string): TrellisError =>
  new TrellisError("subnets/masquerade", `no masquerade: ${reason}`, {
    hint: `${what}; or run without --masquerade and give the hosts a route back through this gateway`,
  });
