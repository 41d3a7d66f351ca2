// Blurred backgrounds while one is in a room.
import { type Room, Track, type VideoProcessorOptions } from "livekit-client";
import { useSyncExternalStore } from "react";

import { BackgroundBlur, type BlurState } from "../../blur/background-blur.js";

/** LiveKit gives a camera's picture to this before it publishes it, however the camera was turned on. */
class RoomBlur extends BackgroundBlur {
  override async init(options: VideoProcessorOptions): Promise<void> {
    try {
      await super.init(options);
    } catch (error) {
      // LiveKit would leave the camera on, unseen.
      options.track.stop();
      throw error;
    }
  }
}

/** Whether the own camera's background is blurred, for as long as one is in the room. */
export class CameraBlur {
  #isOn = false;
  #state: BlurState | null = null;
  #isSwitching = false;
  #shown = this.#look();
  readonly #listeners = new Set<() => void>();
  readonly #room: Room;
  readonly #onFailed: () => void;

  constructor(room: Room, isOn: boolean, onFailed: () => void) {
    this.#room = room;
    this.#onFailed = onFailed;
    this.#set(isOn);
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly shown = () => this.#shown;

  /** Publishes the camera anew: the picture of before is gone before that of afterwards comes. */
  async switch(isOn: boolean): Promise<void> {
    if (this.#isSwitching) return;
    this.#isSwitching = true;
    const hadFailed = this.#state === "failed" || this.#state === "unsupported";
    this.#set(isOn);
    const own = this.#room.localParticipant;
    try {
      const camera = own.getTrackPublication(Track.Source.Camera);
      const wasOn = camera !== undefined ? !camera.isMuted : hadFailed;
      if (camera?.track) await own.unpublishTrack(camera.track);
      if (wasOn) await own.setCameraEnabled(true);
    } catch {
      // Whoever failed has told.
    } finally {
      this.#isSwitching = false;
      this.#tell();
    }
  }

  #set(isOn: boolean): void {
    this.#isOn = isOn;
    const defaults = (this.#room.options.videoCaptureDefaults ??= {});
    if (isOn) {
      defaults.processor = new RoomBlur((state) => {
        this.#state = state;
        this.#tell();
        if (state === "failed" || state === "unsupported") this.#onFailed();
      });
    } else {
      delete defaults.processor;
      this.#state = null;
    }
    this.#tell();
  }

  #tell(): void {
    this.#shown = this.#look();
    for (const listener of this.#listeners) listener();
  }

  #look() {
    return { isOn: this.#isOn, state: this.#state, isSwitching: this.#isSwitching };
  }
}

export function useCameraBlur(blur: CameraBlur) {
  return useSyncExternalStore(blur.subscribe, blur.shown);
}
