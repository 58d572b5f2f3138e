//! Stores the measurements of adapters for the next start: natively in the user's cache folder, in the browser in the
//! page's caches. Missing or unreadable measurements are repeated.

use super::tuning::Measured;
use crate::platform;

/// The stored measurements for the key `adapter`: its name and all that the measurements depend on.
pub async fn recall(adapter: &str) -> Option<Measured> {
    let text = platform::recall(adapter).await?;
    serde_json::from_str(&text).ok()
}

/// Stores the measurements for the key `adapter`.
pub async fn remember(adapter: &str, measured: &Measured) {
    if let Ok(text) = serde_json::to_string(measured) {
        platform::remember(adapter, text).await;
    }
}
