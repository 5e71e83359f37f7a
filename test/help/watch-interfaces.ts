/** Watches the interfaces of its network namespace and says what it was told; driven over standard input. */
import { type InterfaceWatch, loadAddon } from "../../runtime/dataplane/addon.io.ts";
import type { NetworkInterface } from "../../runtime/dataplane/interfaces.ts";
import { serve } from "./child.ts";

export type WatchRequest = { readonly call: "interfaces" } | { readonly call: "told" };
export interface WatchAnswers {
  readonly interfaces: readonly NetworkInterface[];
  /** What it read when it was last called, and how often it was. */
  readonly told: { readonly times: number; readonly interfaces: readonly NetworkInterface[] };
}

if (import.meta.main) {
  const { addon, reason } = loadAddon();
  if (!addon) throw new Error(reason);
  let told: WatchAnswers["told"] = { times: 0, interfaces: addon.interfaces() };
  const watch: InterfaceWatch = addon.watchInterfaces(() => {
    told = { times: told.times + 1, interfaces: addon.interfaces() };
  });
  await serve<WatchRequest>(async ({ call }) => (call === "told" ? told : addon.interfaces()));
  watch.close();
}
