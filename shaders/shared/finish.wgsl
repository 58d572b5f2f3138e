// The end of a product, appended to four kernels: adds the bias to an output, applies the activation, adds the
// residual, and stores the result.

const HAS_BIAS: u32 = 1u;
const HAS_RESIDUAL: u32 = 2u;
const ACTIVATION_SHIFT: u32 = 2u;
const QUICK_GELU: u32 = 1u;
const GELU_TANH: u32 = 2u;
const GELU: u32 = 3u;

// Abramowitz and Stegun, 7.1.26: within 1.5e-7.
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let sum = t * (0.2548296 + t * (-0.28449674 + t * (1.4214137 + t * (-1.4531521 + t * 1.0614054))));
    return sign(x) * (1.0 - sum * exp(-x * x));
}

// The first two are y times a sigmoid: tanh(t) = 2 sigmoid(2 t) - 1.
fn activated(y: f32) -> f32 {
    let activation = params.flags >> ACTIVATION_SHIFT;
    if (activation == QUICK_GELU) { return y / (1.0 + exp(-1.702 * y)); }
    // sqrt(8 / pi) = 1.5957691
    if (activation == GELU_TANH) { return y / (1.0 + exp(-1.5957691 * (y + 0.044715 * y * y * y))); }
    if (activation == GELU) { return 0.5 * y * (1.0 + erf(0.70710677 * y)); }
    return y;
}

fn finish(row: u32, output: u32, product: f32) {
    let column = params.first_output + output;
    let at = row * params.outputs + column;
    var y = product;
    if ((params.flags & HAS_BIAS) != 0u) { y += bias[column]; }
    y = activated(y);
    if ((params.flags & HAS_RESIDUAL) != 0u) { y += residual[at]; }
    out[at] = y;
}
