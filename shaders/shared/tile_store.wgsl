// What a thread of a product of tiles does at its end, which two kernels share: what follows their own text.

// To what tiles hold. f16 ends at 65504, beyond which a few channels of real decoders go; what is no number stays none.
fn held(v: vec4<f32>) -> vec4<Held> {
    var fits = v;
    //HALF fits = select(v, clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0)), abs(v) <= vec4<f32>(3.0e38));
    return vec4<Held>(fits);
}

// Four outputs of a row of x, and those half a tile further, or what those gate.
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
