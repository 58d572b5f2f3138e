//! The platform services of the browser's worker, through JavaScript.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(inline_js = "
const channel = new MessageChannel();
const waiting = [];
channel.port1.onmessage = () => waiting.shift()();
export function next_task() {
    return new Promise((resolve) => { waiting.push(resolve); channel.port2.postMessage(0); });
}
export async function adapter_name() {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
    const { vendor, architecture, description } = adapter?.info ?? {};
    return [vendor, architecture, description].filter(Boolean).join(' ') || 'unnamed adapter';
}
const kept = (key) => new Request('https://adapters.invalid/' + encodeURIComponent(key));
const cache = () => caches.open('inf-llava-adapters');
export function browser_version() { return navigator.userAgent; }
export async function recall(key) {
    try { return await (await (await cache()).match(kept(key)))?.text(); } catch { return undefined; }
}
export async function remember(key, text) {
    try { await (await cache()).put(kept(key), new Response(text)); } catch { /* measured again next time */ }
}
")]
extern "C" {
    #[wasm_bindgen(js_name = next_task)]
    fn js_next_task() -> js_sys::Promise;
    #[wasm_bindgen(js_name = adapter_name)]
    fn js_adapter_name() -> js_sys::Promise;
    #[wasm_bindgen(js_name = browser_version)]
    fn js_browser_version() -> String;
    #[wasm_bindgen(js_name = recall)]
    fn js_recall(key: &str) -> js_sys::Promise;
    #[wasm_bindgen(js_name = remember)]
    fn js_remember(key: &str, text: &str) -> js_sys::Promise;
}

/// Lets the worker handle its other messages. Uses a message channel, since timers wait 4 ms.
pub async fn next_task() {
    // This promise is never rejected.
    let _ = JsFuture::from(js_next_task()).await;
}

/// The browser's name for its adapter, which wgpu does not pass on.
pub async fn adapter_name() -> String {
    let name = JsFuture::from(js_adapter_name()).await;
    name.ok()
        .and_then(|name| name.as_string())
        .unwrap_or_default()
}

/// The browser's name and version.
pub fn browser_version() -> String {
    js_browser_version()
}

/// The text stored under `key` in the page's caches, if it has access to them.
pub async fn recall(key: &str) -> Option<String> {
    JsFuture::from(js_recall(key)).await.ok()?.as_string()
}

/// Stores `text` under `key`.
pub async fn remember(key: &str, text: String) {
    // This promise is never rejected.
    let _ = JsFuture::from(js_remember(key, &text)).await;
}
