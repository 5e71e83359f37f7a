import { renderUnicodeCompact } from "uqr";
import { call } from "../api/client.io.ts";
import { parseEndpoint } from "../base/endpoint.ts";
import { duration, flag, integer, list as listOf, type Parser, text } from "../config/parsers.ts";
import { DEFAULT_LIFETIME } from "../provisioning/invite-book.ts";
import { USES_MAX } from "../provisioning/token.ts";
import { command, type Globals, NONE, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { memberName } from "./names.ts";
import { moment, table } from "./show.ts";

const endpointText: Parser<string> = {
  expects: "an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820",
  sign: "ADDRESS:PORT",
  parse: (given) => (typeof given === "string" && parseEndpoint(given) ? { value: given } : undefined),
};

interface Shown {
  readonly inviteId: string;
  readonly expires: number;
  readonly uses: number;
  readonly used: number;
  readonly state: string;
}

export const invite = command({
  name: "invite",
  doc: "let another gateway in: a token, as text and as a QR code",
  positionals: NONE,
  options: {
    uses: option({
      key: "uses",
      fallback: 1,
      unit: "",
      doc: "how many gateways it admits",
      parse: integer(1, USES_MAX),
    }),
    expires: option({
      key: "expires",
      fallback: DEFAULT_LIFETIME,
      shown: "24h",
      unit: "",
      doc: "how long it is good for",
      parse: duration,
    }),
    name: option<string | undefined>({
      key: "name",
      fallback: undefined,
      shown: "any",
      unit: "",
      doc: "the only name it admits",
      parse: memberName,
    }),
    endpoint: option<readonly string[]>({
      key: "endpoint",
      many: true,
      fallback: [],
      shown: "this machine's addresses",
      unit: "",
      doc: "where joiners reach this gateway, at most four",
      parse: listOf(endpointText),
    }),
    list: option({ key: "list", fallback: false, unit: "", doc: "list the invites of this gateway", parse: flag }),
    revoke: option<string | undefined>({
      key: "revoke",
      fallback: undefined,
      shown: "none",
      unit: "",
      doc: "revoke an invite by its id",
      parse: text,
    }),
  },
  examples: [
    ["trellis invite --uses 10 --expires 7d", "one token for ten gateways, a week"],
    ["trellis invite --endpoint 203.0.113.5:51820", "behind a port forwarding: its outer address"],
    ["trellis invite --list", "which invites are open, and whom they admitted"],
  ],
  async run(args) {
    if (args.list) return await list(args);
    if (args.revoke !== undefined) {
      const done = await call<{ revoked: string }>(socketOf(args), "revoke-invite", { id: args.revoke });
      return print(args, done, () => [`invite ${done.revoked} is revoked`]);
    }
    const params = {
      uses: args.uses,
      lifetime: args.expires,
      ...(args.name === undefined ? {} : { name: args.name }),
      endpoints: args.endpoint,
    };
    const made = await call<Shown & { token: string; endpoints: readonly string[] }>(socketOf(args), "invite", params);
    print(args, made, () => [
      renderUnicodeCompact(made.token, { border: 2 }),
      `admits ${made.uses === 1 ? "one gateway" : `${made.uses} gateways`} until ${moment(made.expires)}`,
      `reaches this gateway at ${made.endpoints.join(", ")}`,
      "scan it, or on the other gateway:",
      "",
      `trellis join '${made.token}' --name NAME`,
    ]);
  },
});

async function list(args: Globals): Promise<void> {
  const { invites } = await call<{ invites: readonly Shown[] }>(socketOf(args), "invites");
  print(args, { invites }, () =>
    table(
      ["invite", "state", "used", "expires"],
      invites.map((i) => [i.inviteId, i.state, `${i.used}/${i.uses}`, moment(i.expires)]),
    ),
  );
}
