import { describe, expect, test } from "bun:test";
import { openError } from "../../../runtime/dataplane/open-error.ts";
import type { DataPlaneOptions } from "../../../runtime/dataplane/port.ts";

const OPTIONS: DataPlaneOptions = {
  port: 51_820,
  interface: "eth9",
  device: "mesh0",
  address: "fd00::1",
  prefixLength: 64,
  mtu: 1420,
  workers: 0,
};
const system = (code: string, syscall: string): Error =>
  Object.assign(new Error(`${code}, ${syscall}`), { code, syscall });

describe("a data path that cannot be opened", () => {
  test.each([
    ["bind", "EADDRINUSE", "dataplane/port-in-use", "51820"],
    ["bind", "EACCES", "dataplane/port-denied", "51820"],
    ["SO_BINDTODEVICE", "ENODEV", "dataplane/no-interface", "eth9"],
    ["TUNSETIFF", "EBUSY", "dataplane/device-in-use", "mesh0"],
    ["TUNSETIFF", "EPERM", "dataplane/no-privilege", "mesh0"],
    ["/dev/net/tun", "EACCES", "dataplane/no-privilege", "mesh0"],
    ["/dev/net/tun", "ENOENT", "dataplane/no-tun", "TUN"],
    ["bind", "ENOMEM", "dataplane/open", "51820"],
    ["getsockname", "EADDRINUSE", "dataplane/open", "51820"],
  ])("for %s with %s says what it is and what to do", (syscall, code, want, named) => {
    const cause = system(code, syscall);
    const error = openError(OPTIONS, cause);
    expect(error).toMatchObject({ code: want, cause, hint: expect.any(String) });
    expect(error.message).toContain(named);
  });

  test.each([
    ["nothing", undefined],
    ["null", null],
    ["text", "text"],
    ["an error of another kind", new Error("other")],
  ])("for %s is told in general", (_, cause) => {
    expect(openError(OPTIONS, cause).code).toBe("dataplane/open");
  });
});
