// Blurs what is behind people, on this machine. Fetched when somebody wants it: with its runtime it takes megabytes.
import { ProcessorWrapper, supportsBackgroundProcessors, VideoTransformer } from "@livekit/track-processors";
import { FilesetResolver, ImageSegmenter } from "@mediapipe/tasks-vision";

import modelUrl from "../../node_modules/@mediapipe/selfie_segmentation/selfie_segmentation.tflite?url";
import loaderUrl from "../../node_modules/@mediapipe/tasks-vision/wasm/vision_wasm_internal.js?url";
import wasmUrl from "../../node_modules/@mediapipe/tasks-vision/wasm/vision_wasm_internal.wasm?url";
import { withMetadata } from "./model.js";
import { Pace } from "./pace.js";

/** Whether this browser can: it has streams of pictures, WebGL 2 and WebAssembly that is fast enough. */
export async function canBlur(): Promise<boolean> {
  return supportsBackgroundProcessors() && (await FilesetResolver.isSimdSupported());
}

/** LiveKit's processor, with pictures of ours. */
export async function newProcessor(onSlow: () => void) {
  const [model] = await Promise.all([fetched(modelUrl), fetched(wasmUrl), fetched(loaderUrl)]);
  return new ProcessorWrapper(new Transformer(withMetadata(model), onSlow), "background-blur");
}

/** From the network or the browser's cache; the runtime takes it from there. */
async function fetched(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** LiveKit's own shows pictures as they are until it has begun and once it has ended: this one shows none then. */
class Transformer extends VideoTransformer<Record<string, never>> {
  #segmenter: ImageSegmenter | null = null;
  readonly #model: Uint8Array;
  readonly #pace: Pace;

  constructor(model: Uint8Array, onSlow: () => void) {
    super();
    this.#model = model;
    this.#pace = new Pace(onSlow);
  }

  override async init(options: Parameters<VideoTransformer<Record<string, never>>["init"]>[0]) {
    await super.init(options);
    this.#segmenter = await ImageSegmenter.createFromOptions(
      { wasmLoaderPath: loaderUrl, wasmBinaryPath: wasmUrl },
      {
        // As fast everywhere: WebGL of software takes ten times as long.
        baseOptions: { modelAssetBuffer: this.#model, delegate: "CPU" },
        canvas: options.outputCanvas,
        runningMode: "VIDEO",
        outputCategoryMask: true,
        outputConfidenceMasks: false,
      },
    );
    this.gl?.setBlurRadius(BLUR_RADIUS);
  }

  override async destroy() {
    await super.destroy();
    this.#segmenter?.close();
    this.#segmenter = null;
  }

  transform(frame: VideoFrame, controller: TransformStreamDefaultController<VideoFrame>) {
    try {
      const { canvas, gl } = this;
      const begun = performance.now();
      if (!canvas || !gl || this.#segmenter === null || !this.#pace.mayBegin(begun)) return;
      canvas.width = frame.displayWidth;
      canvas.height = frame.displayHeight;
      let isMasked = false;
      this.#segmenter.segmentForVideo(frame, begun, ({ categoryMask }) => {
        if (categoryMask === undefined) return;
        gl.updateMask(categoryMask.getAsWebGLTexture());
        isMasked = true;
      });
      if (!isMasked) return;
      gl.renderFrame(frame);
      controller.enqueue(new VideoFrame(canvas, { timestamp: frame.timestamp }));
      this.#pace.ended(performance.now());
    } finally {
      frame.close();
    }
  }

  update() {}
}

const BLUR_RADIUS = 40;
