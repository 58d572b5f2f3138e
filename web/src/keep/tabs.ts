/** One tab does the work, and the others wait for it and hear how far it is. */

/** The time between two reports. */
const TELL_MS = 100;

export interface Listening {
  signal: AbortSignal;
  /** How far the work is, in this tab or in the one that does it. */
  tell: (done: readonly number[]) => void;
  /** What `done` will be at the end. */
  total: readonly number[];
}

/** Runs `work` when no other tab does work of this name; it reports by `report`. */
export async function inOneTab(
  name: string,
  { signal, tell, total }: Listening,
  work: (report: (done: readonly number[]) => void) => Promise<void>,
): Promise<void> {
  const channel = new BroadcastChannel(name);
  // Any script of this origin may post messages here.
  const isTold = (data: unknown): data is number[] =>
    Array.isArray(data) && data.length === total.length && data.every((done, at) => Number.isInteger(done) && done >= 0 && done <= total[at]!);
  channel.addEventListener('message', ({ data }) => {
    if (isTold(data)) tell(data);
  });
  let done: readonly number[] | null = null;
  let reported: readonly number[] | null = null;
  const report = () => {
    if (done === null || done === reported) return;
    reported = done;
    tell(done);
    channel.postMessage(done);
  };
  let reporting: ReturnType<typeof setInterval> | undefined;
  try {
    await navigator.locks.request(name, { signal }, async () => {
      reporting = setInterval(report, TELL_MS);
      await work((now) => {
        done = now;
      });
      report();
    });
  } finally {
    clearInterval(reporting);
    channel.close();
  }
}
