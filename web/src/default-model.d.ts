/** The small model that comes with the package, and the engine's files. The build makes this module from models/demo. */
declare module 'inf-llava-default-model' {
  import type { Pack, SamplePicture } from './engine/protocol.js';

  const defaultModel: {
    pack(): Pack;
    samples(): Promise<SamplePicture[]>;
    wasm(): URL;
    worker(): URL;
  };
  export default defaultModel;
}
