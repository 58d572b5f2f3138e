// The end of a tiled product, appended to two kernels: converts to the type of the tiles, and stores results.

// Converts to the type of the tiles. Some channels of real decoders exceed f16's largest value, 65504, and are
// clamped; NaN and infinity are kept.
fn held(v: vec4<f32>) -> vec4<Held> {
    var fits = v;
    //HALF fits = select(v, clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0)), abs(v) <= vec4<f32>(3.0e38));
    return vec4<Held>(fits);
}

// Stores four outputs of a row of x, and the four half a tile further; if GATED, the four outputs silu(near) * far.
fn store(row: u32, output: u32, near: vec4<f32>, far: vec4<f32>) {
    if (row >= params.rows) { return; }
    let outputs = params.w_rows >> GATED;
    var values = near;
    if (GATED == 1u) { values = near / (1.0 + exp(-near)) * far; }
    for (var i = 0u; i < 4u; i += 1u) {
        if (output + i < outputs) { finish(row, output + i, values[i]); }
        if (GATED == 0u && output + HALF + i < outputs) { finish(row, output + HALF + i, far[i]); }
    }
}
