/** Why the data path could not be opened, for people: by the call that failed and what the kernel said. */
import { TrellisError } from "../base/errors.ts";
import type { DataPlaneOptions } from "./port.ts";

interface Row {
  /** Place of the failure as the addon names it, and the kernel's answers. */
  readonly at: string;
  readonly codes: readonly string[];
  readonly code: string;
  readonly message: (options: DataPlaneOptions) => string;
  readonly hint: string;
}

const NO_PRIVILEGE: Omit<Row, "at"> = {
  codes: ["EPERM", "EACCES"],
  code: "dataplane/no-privilege",
  message: ({ device }) => `this process may not make the device ${device}`,
  hint: "it takes root or CAP_NET_ADMIN: sudo, or the systemd unit; --no-device does without IP traffic",
};

const ROWS: readonly Row[] = [
  {
    at: "bind",
    codes: ["EADDRINUSE"],
    code: "dataplane/port-in-use",
    message: ({ port }) => `UDP port ${port} is in use`,
    hint: "another gateway on this machine? `ss -lunp` shows who has it; choose another --port",
  },
  {
    at: "bind",
    codes: ["EACCES"],
    code: "dataplane/port-denied",
    message: ({ port }) => `UDP port ${port} may not be used`,
    hint: "ports below 1024 take root or CAP_NET_BIND_SERVICE; choose another --port",
  },
  {
    at: "SO_BINDTODEVICE",
    codes: ["ENODEV"],
    code: "dataplane/no-interface",
    message: (options) => `there is no network interface ${options.interface}`,
    hint: "`ip link` lists them; is --interface right, and the interface plugged in?",
  },
  {
    at: "TUNSETIFF",
    codes: ["EBUSY", "EINVAL"],
    code: "dataplane/device-in-use",
    message: ({ device }) => `there is a network interface ${device} already, or the name cannot be had`,
    hint: "`ip link` shows whose it is; choose another --device",
  },
  { ...NO_PRIVILEGE, at: "TUNSETIFF" },
  { ...NO_PRIVILEGE, at: "/dev/net/tun" },
  {
    at: "/dev/net/tun",
    codes: ["ENOENT", "ENODEV", "ENXIO"],
    code: "dataplane/no-tun",
    message: () => "this machine offers no TUN devices",
    hint: "`modprobe tun`, or give the container /dev/net/tun; --no-device does without IP traffic",
  },
];

/** `cause`: what the addon or the runtime threw, with the system's `code` and, from the addon, the `syscall`. */
export function openError(options: DataPlaneOptions, cause: unknown): TrellisError {
  const { code, syscall } = (typeof cause === "object" && cause !== null ? cause : {}) as {
    readonly code?: unknown;
    readonly syscall?: unknown;
  };
  const row = ROWS.find((r) => r.at === syscall && r.codes.includes(String(code)));
  if (row) return new TrellisError(row.code, row.message(options), { cause, hint: row.hint });
  return new TrellisError("dataplane/open", `the data path cannot be opened on UDP port ${options.port}`, {
    cause,
    hint: "`trellis doctor` says what this machine lacks",
  });
}
