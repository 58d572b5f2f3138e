/** What this browser can do for a model, before anything is downloaded. */

export interface Capabilities {
  /** Where a model would run; null: this browser cannot run one. */
  device: 'wgpu' | 'cpu' | null;
  /** Codes that say why the graphics card cannot be used, or why no model can run; empty otherwise. */
  reasons: ('insecure-origin' | 'no-webgpu' | 'no-adapter' | 'no-wasm-simd' | 'no-browser')[];
  webgpu: { adapter: string; f16: boolean; max_buffer_bytes: number; max_binding_bytes: number } | null;
  wasm_simd: boolean;
  /** Whether models can be kept for the next visit, and how much room there is; null where the browser does not say. */
  storage: { keeps: boolean; quota_bytes: number | null; usage_bytes: number | null; persisted: boolean | null };
}

/** A function of type () -> v128: `i32.const 0; i8x16.splat`. */
const SIMD_MODULE = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11);

export async function capabilities(): Promise<Capabilities> {
  const simd = typeof WebAssembly === 'object' && WebAssembly.validate(SIMD_MODULE);
  // A server may have WebAssembly too, but a model needs a browser.
  if (!inBrowser()) return { device: null, reasons: ['no-browser'], webgpu: null, wasm_simd: simd, storage: await storageOf() };
  const reasons: Capabilities['reasons'] = [];
  const webgpu = simd ? await findAdapter(reasons) : null;
  if (!simd) reasons.push('no-wasm-simd');
  const device = webgpu ? 'wgpu' : simd ? 'cpu' : null;
  return { device, reasons, webgpu, wasm_simd: simd, storage: await storageOf() };
}

/** Whether this is a page in a browser, or a worker of one. */
export const inBrowser = (): boolean => typeof globalThis.Worker === 'function' && typeof globalThis.location === 'object' && globalThis.location !== null;

interface Adapter {
  info?: { vendor?: string; architecture?: string; description?: string };
  features: { has(name: string): boolean };
  limits: { maxBufferSize: number; maxStorageBufferBindingSize: number };
}

async function findAdapter(reasons: Capabilities['reasons']): Promise<Capabilities['webgpu']> {
  const { gpu } = (globalThis.navigator ?? {}) as { gpu?: { requestAdapter(options: object): Promise<Adapter | null> } };
  if (!gpu) {
    reasons.push(globalThis.isSecureContext ? 'no-webgpu' : 'insecure-origin');
    return null;
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) {
    reasons.push('no-adapter');
    return null;
  }
  const { vendor, architecture, description } = adapter.info ?? {};
  return {
    adapter: [vendor, architecture, description].filter(Boolean).join(' ') || 'unnamed adapter',
    f16: adapter.features.has('shader-f16'),
    max_buffer_bytes: adapter.limits.maxBufferSize,
    max_binding_bytes: adapter.limits.maxStorageBufferBindingSize,
  };
}

export async function storageOf(): Promise<Capabilities['storage']> {
  const { storage } = (globalThis.navigator ?? {}) as Partial<Navigator>;
  const keeps = typeof storage?.getDirectory === 'function';
  const { quota, usage } = (await storage?.estimate?.().catch(() => null)) ?? {};
  const persisted = (await storage?.persisted?.().catch(() => null)) ?? null;
  return { keeps, quota_bytes: quota ?? null, usage_bytes: usage ?? null, persisted };
}
