// How often a slow machine may blur a picture, so that the page stays usable. Pure.

/** Leaves half of the time to the rest of the page once pictures take long, and tells so once. */
export class Pace {
  #begun = 0;
  #next = 0;
  #mean = 0;
  #pictures = 0;
  #isTold = false;
  readonly #onSlow: () => void;

  constructor(onSlow: () => void) {
    this.#onSlow = onSlow;
  }

  mayBegin(now: number): boolean {
    if (now < this.#next) return false;
    this.#begun = now;
    return true;
  }

  ended(now: number): void {
    const took = now - this.#begun;
    this.#pictures += 1;
    // The first one compiles shaders.
    if (this.#pictures <= WARM_UP) return;
    this.#mean += (took - this.#mean) / Math.min(this.#pictures - WARM_UP, MEAN_OF);
    if (this.#pictures < WARM_UP + MEAN_OF || this.#mean <= SLOW_MS) return;
    this.#next = now + took;
    if (!this.#isTold) this.#onSlow();
    this.#isTold = true;
  }
}

const WARM_UP = 5;
const MEAN_OF = 20;
const SLOW_MS = 50;
