import { renderUnicodeCompact } from "uqr";
import { call } from "../api/client.io.ts";
import { command, duration, type Globals, print, socketOf, table } from "./context.ts";

interface Options {
  uses: number;
  expires: string;
  name: string | undefined;
  endpoint: string[] | undefined;
  list: boolean;
  revoke: string | undefined;
}

interface Shown {
  readonly [key: string]: string | number | readonly string[];
  readonly inviteId: string;
  readonly expires: number;
  readonly uses: number;
  readonly used: number;
  readonly state: string;
}

export const invite = command<Options>({
  command: "invite",
  describe: "let another gateway in: a token, as text and as a QR code",
  options: (y) =>
    y
      .option("uses", { type: "number", default: 1, describe: "how many gateways it admits" })
      .option("expires", { type: "string", default: "24h", describe: "how long it is good for: 90s, 30m, 24h, 7d" })
      .option("name", { type: "string", describe: "the only name it admits" })
      .option("endpoint", { type: "string", array: true, describe: "where joiners reach this gateway, at most four" })
      .option("list", { type: "boolean", default: false, describe: "list the invites of this gateway" })
      .option("revoke", { type: "string", describe: "revoke an invite by its id" })
      .example("trellis invite --uses 10 --expires 7d", "one token for ten gateways, a week")
      .example("trellis invite --list", "which invites are open, and whom they admitted"),
  async run(args) {
    if (args.list) return await list(args);
    if (args.revoke !== undefined) {
      const done = await call<{ revoked: string }>(socketOf(args), "revoke-invite", { id: args.revoke });
      return print(args, done, () => [`invite ${done.revoked} is revoked`]);
    }
    const params = {
      uses: args.uses,
      lifetime: duration(args.expires),
      ...(args.name === undefined ? {} : { name: args.name }),
      endpoints: args.endpoint ?? [],
    };
    const made = await call<Shown & { token: string; endpoints: readonly string[] }>(socketOf(args), "invite", params);
    print(args, made, () => [
      renderUnicodeCompact(made.token, { border: 2 }),
      made.token,
      "",
      `admits ${made.uses === 1 ? "one gateway" : `${made.uses} gateways`} until ${new Date(made.expires * 1000).toISOString()}`,
      `reaches this gateway at ${made.endpoints.join(", ")}`,
      `on the other gateway: trellis join '${made.token}' --name NAME`,
    ]);
  },
});

async function list(args: Globals): Promise<void> {
  const { invites } = await call<{ invites: readonly Shown[] }>(socketOf(args), "invites");
  print(args, { invites }, () =>
    table(
      ["invite", "state", "used", "expires"],
      invites.map((i) => [i.inviteId, i.state, `${i.used}/${i.uses}`, new Date(i.expires * 1000).toISOString()]),
    ),
  );
}
