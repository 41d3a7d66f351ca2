// What stands between a camera and everybody who sees it, once somebody wants their background blurred.
import type { Track, TrackProcessor, VideoProcessorOptions } from "livekit-client";

export type BlurState = "preparing" | "on" | "slow" | "failed" | "unsupported";

/** Why no picture is shown: the blur could not be made. */
export class BlurError extends Error {
  override readonly name = "BlurError";
}

/** The camera's own blur where it has one, ours elsewhere. Until it is there, and if it never is, there is no picture. */
export class BackgroundBlur implements TrackProcessor<Track.Kind.Video, VideoProcessorOptions> {
  readonly name = "background-blur";
  processedTrack?: MediaStreamTrack;
  #end: () => Promise<unknown> = async () => undefined;
  readonly #tell: (state: BlurState) => void;

  constructor(tell: (state: BlurState) => void) {
    this.#tell = tell;
  }

  async init(options: VideoProcessorOptions): Promise<void> {
    this.#tell("preparing");
    try {
      if (!(await blursItself(options.track))) await this.#begin(options);
      else this.#end = () => ownBlur(options.track, false);
      this.#tell("on");
    } catch (error) {
      const isUnsupported = error instanceof BlurError;
      this.#tell(isUnsupported ? "unsupported" : "failed");
      throw isUnsupported ? error : new BlurError("no blur", { cause: error });
    }
  }

  async #begin(options: VideoProcessorOptions): Promise<void> {
    const { canBlur, newProcessor } = await import("./processor.js");
    if (!(await canBlur())) throw new BlurError("no blur in this browser");
    const processor = await newProcessor(() => this.#tell("slow"));
    try {
      await processor.init(options);
    } catch (error) {
      // What has not begun does not end by itself.
      await processor.transformer.destroy();
      processor.trackGenerator?.stop();
      processor.displayCanvas?.remove();
      throw error;
    }
    if (processor.processedTrack === undefined) throw new Error("no processed track");
    this.processedTrack = processor.processedTrack;
    this.#end = () => processor.destroy();
  }

  async restart(options: VideoProcessorOptions): Promise<void> {
    await this.destroy();
    await this.init(options);
  }

  async destroy(): Promise<void> {
    const end = this.#end;
    this.#end = async () => undefined;
    delete this.processedTrack;
    await end();
  }
}

/** Whether the camera blurs by itself from now on. */
async function blursItself(track: MediaStreamTrack): Promise<boolean> {
  const { backgroundBlur } = (track.getCapabilities?.() ?? {}) as { backgroundBlur?: boolean[] };
  if (backgroundBlur?.includes(true) !== true) return false;
  await ownBlur(track, true).catch(() => undefined);
  return (track.getSettings() as { backgroundBlur?: boolean }).backgroundBlur === true;
}

async function ownBlur(track: MediaStreamTrack, isOn: boolean): Promise<void> {
  if (track.readyState === "live")
    await track.applyConstraints({ backgroundBlur: isOn } as MediaTrackConstraints);
}
