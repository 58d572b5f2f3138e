//! Rotated boxes, computed identically on every system.

/// Half the sides of the axis-aligned box around a box with these half sides, rotated by `angle`.
pub(super) fn extent(half_width: f32, half_height: f32, angle: f32) -> [f32; 2] {
    let [sin, cos] = sin_cos(angle.abs());
    [
        half_width * cos + half_height * sin,
        half_width * sin + half_height * cos,
    ]
}

/// Sine and cosine of a small angle (below 0.3 rad, to 1e-7), by their series: the standard
/// library's results differ between systems, and a seed must give the same picture everywhere.
pub(super) fn sin_cos(angle: f32) -> [f32; 2] {
    let square = angle * angle;
    let sin = angle * (1.0 - square / 6.0 * (1.0 - square / 20.0));
    let cos = 1.0 - square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0));
    [sin, cos]
}
