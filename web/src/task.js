/** Something that takes time and can be ended, both while it waits its turn and while the engine works on it. */

const STOPPED = Object.freeze({ code: 'stopped', message: '' });

export class Task {
  stopped = false;
  /** The engine's part of it, once that has begun. @type {import('./engine.js').Command<any>|null} */
  command = null;
  /** Settles when nothing more will come of it. @type {Promise<any>} */
  done = Promise.resolve();
  #interrupted;
  #interruption = new Promise((resolve) => {
    this.#interrupted = resolve;
  });

  interrupt() {
    this.stopped = true;
    this.command?.stop();
    this.#interrupted();
  }

  /**
   * Waits for something else, but not beyond an interruption.
   * @template T @param {Promise<T>} other @returns {Promise<T>}
   */
  async until(other) {
    const value = await Promise.race([other, this.#interruption]);
    if (this.stopped) throw STOPPED;
    return value;
  }

  /** Hands over to the engine. @template T @param {import('./engine.js').Command<T>} command @returns {Promise<T>} */
  run(command) {
    this.command = command;
    return command.promise;
  }
}
