/** Every command, in the order in which help lists them. */
import { backup, restore } from "./backup.ts";
import type { Command } from "./command.ts";
import { completion } from "./completion.ts";
import { config } from "./config.ts";
import { doctor } from "./doctor.ts";
import { down } from "./down.ts";
import { flows } from "./flows.ts";
import { graph } from "./graph.ts";
import { init } from "./init.ts";
import { invite } from "./invite.ts";
import { join } from "./join.ts";
import { keys } from "./keys.ts";
import { links } from "./links.ts";
import { members } from "./members.ts";
import { names } from "./mesh-names.ts";
import { netcheck } from "./netcheck.ts";
import { peers } from "./peers.ts";
import { ping } from "./ping.ts";
import { policy } from "./policy.ts";
import { receive } from "./receive.ts";
import { rekey } from "./rekey.ts";
import { revoke } from "./revoke.ts";
import { root } from "./root.ts";
import { routes } from "./routes.ts";
import { run } from "./run.ts";
import { send } from "./send.ts";
import { service } from "./service.ts";
import { status } from "./status.ts";
import { store } from "./store.ts";
import { sync } from "./sync.ts";
import { top } from "./top.ts";
import { trace } from "./trace.ts";
import { watch } from "./watch.ts";

export const COMMANDS: readonly Command[] = [
  init,
  run,
  invite,
  join,
  status,
  peers,
  members,
  links,
  routes,
  netcheck,
  graph,
  trace,
  watch,
  ping,
  names,
  send,
  receive,
  sync,
  rekey,
  revoke,
  policy,
  flows,
  top,
  root,
  doctor,
  config,
  completion,
  service,
  keys,
  store,
  backup,
  restore,
  down,
];
