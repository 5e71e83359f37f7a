/** What counts where the command line is silent: environment, then the file, then what this machine suggests. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readConfigFile } from "../config/file.io.ts";
import { SETTINGS } from "../config/settings.ts";
import { fromEnvironment, fromFile, fromMachine, type Source } from "../config/settle.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** `asked`: what `--config` says. A file that is asked for must exist; the one at its usual place need not. */
export function defaultSources(
  asked: string | undefined,
  environment: Environment = process.env,
  root = process.getuid?.() === 0,
): Source[] {
  const usual = usualFile(environment, root);
  const file = asked ?? (environment.TRELLIS_CONFIG || (existsSync(usual) ? usual : undefined));
  return [
    fromEnvironment(environment, SETTINGS),
    ...(file === undefined ? [] : [fromFile(file, readConfigFile(file), SETTINGS)]),
    fromMachine({ "state-dir": usualStateDir(environment, root) }),
  ];
}

/** Root has the machine's configuration, everybody else their own, as it is with the state directory. */
export const usualFile = ({ XDG_CONFIG_HOME, HOME = "." }: Environment, root: boolean): string =>
  root ? "/etc/trellis/trellis.conf" : join(XDG_CONFIG_HOME || join(HOME, ".config"), "trellis/trellis.conf");

/** A service manager says where (`StateDirectory=` of systemd). */
function usualStateDir({ STATE_DIRECTORY, XDG_STATE_HOME, HOME = "." }: Environment, root: boolean): string {
  if (STATE_DIRECTORY) return STATE_DIRECTORY;
  return root ? "/var/lib/trellis" : join(XDG_STATE_HOME || join(HOME, ".local/state"), "trellis");
}
