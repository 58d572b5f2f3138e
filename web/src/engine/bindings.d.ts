/** The module that wasm-bindgen makes of src/web.rs; the build resolves this name to it. */
declare module 'inf-llava-bindings' {
  import type { ConversionPlan, EngineEvent as Told, HubFolder, HubPlace } from './generated.js';
  import type {
    Answer,
    Completed,
    Detail,
    EngineEvent,
    EnhancementAttention,
    Head,
    ModelInfo,
    PictureInfo,
    ReplyRequest,
    UnderstoodRequest,
  } from './protocol.js';

  export default function init(source: { module_or_path: Response }): Promise<unknown>;

  export class StopFlag {
    constructor();
    stop(): void;
    free(): void;
  }

  type OnEvent = (event: EngineEvent) => void;

  interface Files {
    size(file: string): Promise<number | undefined>;
    read(file: string, start: number, end: number): Promise<Uint8Array>;
  }

  interface HubFiles extends Files {
    expect(file: string, start: number, end: number): void;
  }

  interface Hashed {
    file: string;
    bytes: number;
    sha256: string;
  }

  /** @throws `option` */
  export function hub_place(text: string, hub: string): HubPlace | null;
  /** @throws `hub`, `option` */
  export function hub_folder(hub: string, repository: string, list: Uint8Array, quant: string): HubFolder;

  export class Conversion {
    static open(files: HubFiles, url: string, name: string, revision: string, quant: string): Promise<Conversion>;
    plan(): Promise<ConversionPlan>;
    shard(index: number, onEvent: (event: Told) => void, stop: StopFlag): Promise<Uint8Array<ArrayBuffer>>;
    file(file: string): Promise<Uint8Array<ArrayBuffer>>;
    manifest(shards: Hashed[], files: Hashed[]): Uint8Array<ArrayBuffer>;
    free(): void;
  }

  /** @throws `{code, message, details: {param}}` */
  export function read_completion(request: string, model: string | undefined, mostPictures: number | undefined): UnderstoodRequest;

  export class Engine {
    static load(url: string, device: string, context: number | undefined, onEvent: OnEvent, stop: StopFlag): Promise<Engine>;
    static load_files(files: Files, name: string, device: string, context: number | undefined, onEvent: OnEvent, stop: StopFlag): Promise<Engine>;
    info(): ModelInfo;
    picture(key: string): PictureInfo | null;
    read_picture(key: string, name: string, bytes: Uint8Array, isOnly: boolean, detail: Detail, onEvent: OnEvent, stop: StopFlag): Promise<PictureInfo>;
    /** @throws `option` for a model that sees no videos */
    video_frames(frames: number, fps: number, seconds: number): number[];
    features(key: string): Promise<Float32Array>;
    restore_picture(key: string, info: PictureInfo, features: Float32Array): PictureInfo;
    reply(request: ReplyRequest, onEvent: OnEvent, stop: StopFlag): Promise<Answer>;
    complete(request: ReplyRequest, head: Head, onEvent: OnEvent, stop: StopFlag): Promise<Completed>;
    attention(request: ReplyRequest): Promise<Float32Array>;
    enhancement_attention(name: string, bytes: Uint8Array, onEvent: OnEvent, stop: StopFlag): Promise<EnhancementAttention>;
    free(): void;
  }
}
