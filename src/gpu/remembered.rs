//! What was measured of adapters, kept for the next start: natively in the user's cache folder, in the browser in the
//! page's caches. Where it cannot be kept, or is not what this version writes, it is measured again.

use super::tuning::Measured;
use crate::platform;

/// What was measured of `adapter`: its name and all that the measurements depend on.
pub async fn recall(adapter: &str) -> Option<Measured> {
    let text = platform::recall(adapter).await?;
    serde_json::from_str(&text).ok()
}

/// Keeps what was measured of `adapter`.
pub async fn remember(adapter: &str, measured: &Measured) {
    if let Ok(text) = serde_json::to_string(measured) {
        platform::remember(adapter, text).await;
    }
}
