/** The speed of a download, over the last seconds: it changes, and the first moments mean little. */

const WINDOW_MS = 10_000;
const LEAST_MS = 1_500;

export class Pace {
  #marks: { done: number; time: number }[] = [];

  /** Rate per second, and seconds left; 0 if not known yet. @param time  milliseconds */
  at(done: number, total: number, time: number): { rate: number; left_s: number } {
    if (done < (this.#marks.at(-1)?.done ?? 0)) this.#marks = []; // it started again
    this.#marks.push({ done, time });
    while (this.#marks.length > 2 && time - this.#marks[1]!.time > WINDOW_MS) this.#marks.shift();
    const first = this.#marks[0]!;
    const ms = time - first.time;
    if (ms < LEAST_MS || done === first.done) return { rate: 0, left_s: 0 };
    const rate = ((done - first.done) * 1000) / ms;
    return { rate, left_s: (total - done) / rate };
  }
}
