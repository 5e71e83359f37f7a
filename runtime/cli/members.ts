import { call } from "../api/client.io.ts";
import { flag } from "../config/parsers.ts";
import { command, NONE, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { moment, shorten, shortId, table } from "./show.ts";

interface Member {
  readonly name: string;
  readonly nodeId: string;
  readonly address: string;
  readonly roles: readonly string[];
  readonly capabilities: readonly string[];
  readonly subnets: readonly string[];
  readonly issuer: string | null;
  readonly expires: number | null;
  readonly state: string;
}
interface Revoked {
  readonly nodeId: string;
  readonly reason: string;
  readonly by: string;
}
interface Answer {
  readonly members: readonly Member[];
  readonly revoked: readonly Revoked[];
}

export const members = command({
  name: "members",
  doc: "who belongs to the mesh, and who was revoked",
  positionals: NONE,
  options: {
    wide: option({ key: "wide", fallback: false, unit: "", doc: "every column, unshortened", parse: flag }),
  },
  examples: [
    ["trellis members", "name, roles, address and state of each; `self` is this gateway"],
    ["trellis members --json", "with whole node ids, issuers, subnets and expiry"],
  ],
  async run(args) {
    const answer = await call<Answer>(socketOf(args), "members");
    print(args, answer, () => [...(args.wide ? wide(answer) : short(answer)), ...out(answer.revoked)]);
  },
});

const NAME_MAX = 16;
const rolesOf = (m: Member): string => [...m.roles, ...m.capabilities].join(",") || "-";

const short = ({ members: all }: Answer): string[] =>
  table(
    ["name", "state", "roles", "address"],
    all.map((m) => [shorten(m.name, NAME_MAX), m.state, shorten(rolesOf(m), 20), m.address]),
  );

const wide = ({ members: all }: Answer): string[] =>
  table(
    ["name", "state", "roles", "address", "node id", "issuer", "expires", "subnets"],
    all.map((m) => [
      m.name,
      m.state,
      rolesOf(m),
      m.address,
      m.nodeId,
      m.issuer ?? "root",
      m.expires === null ? "never" : moment(m.expires),
      m.subnets.join(",") || "-",
    ]),
  );

const out = (revoked: readonly Revoked[]): string[] =>
  revoked.length === 0
    ? []
    : [
        "",
        ...table(
          ["revoked", "by", "reason"],
          revoked.map((r) => [shortId(r.nodeId), shorten(r.by, NAME_MAX), r.reason || "-"]),
        ),
      ];
