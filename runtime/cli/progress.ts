/** How far a long work is, on one line of the terminal that is written over; nothing where no person is watching. */
export interface Progress {
  at(done: number): void;
  end(): void;
}

const SILENT: Progress = { at() {}, end() {} };

export function progressOf(verb: string, total: number): Progress {
  if (!process.stderr.isTTY) return SILENT;
  const started = performance.now();
  let shown = 0;
  return {
    at(done) {
      const now = performance.now();
      if (now - shown < 100 && done < total) return;
      shown = now;
      const rate = (done / 1e6 / Math.max(0.001, (now - started) / 1000)).toFixed(1);
      const share = total === 0 ? 100 : Math.floor((100 * done) / total);
      process.stderr.write(
        `\r${verb} ${share} %  ${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB  ${rate} MB/s `,
      );
    },
    end() {
      if (shown > 0) process.stderr.write("\r\x1b[K");
    },
  };
}
