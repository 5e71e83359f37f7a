/** Tells the service manager that we are alive, for as long as events are dealt with (sd_watchdog_enabled(3)). */
import type { Log } from "../base/log.ts";
import type { Ms } from "../base/time.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How often the service manager wants to hear of process `pid`; undefined when it does not. */
export function watchdogPeriod({ WATCHDOG_USEC, WATCHDOG_PID }: Environment, pid: number): Ms | undefined {
  const period = Number(WATCHDOG_USEC) / 1000;
  const ours = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === pid;
  return ours && period > 0 ? period : undefined;
}

/**
 * Feeds the watchdog four times a period, unless the event at hand has taken longer than half of one: a daemon that
 * answers signals and nothing else is to be restarted. Returns how to stop.
 */
export function feedWatchdog(period: Ms, busyFor: () => Ms, feed: () => void, log: Log): () => void {
  let hungry = false;
  const timer = setInterval(() => {
    const stuck = busyFor() > period / 2;
    if (stuck && !hungry)
      log.error("events are stuck: the watchdog is not fed", { "for-ms": Math.round(busyFor()), period });
    if (!stuck) feed();
    hungry = stuck;
  }, period / 4);
  timer.unref();
  return () => clearInterval(timer);
}
