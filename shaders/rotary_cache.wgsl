// Follows the product that computes queries, keys and values: applies the rotary embedding in the Hugging Face layout
// (channel i is rotated with channel i + head_dim / 2), and writes the new keys and values to the cache in place.
//
//   qkv           [tokens, (heads + 2 key_heads) * head_dim]
//   cos, sin      [positions, half]          half = head_dim / 2
//   keys, values  [key_heads, capacity, head_dim]
//   out           [tokens, heads * head_dim]     the rotated queries
//
// One thread per pair of channels. f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    tokens: u32,
    start: u32,               // position of the first token
    heads: u32,
    key_heads: u32,
    half: u32,
    capacity: u32,
    groups_x: u32,            // workgroups along x; further ones continue along y
    pad: u32,
}

@group(0) @binding(0) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> cos_table: array<f32>;
@group(0) @binding(2) var<storage, read_write> sin_table: array<f32>;
@group(0) @binding(3) var<storage, read_write> keys: array<f32>;
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = (group.y * params.groups_x + group.x) * WORKGROUP_SIZE + thread;
    let half = params.half;
    let of_token = (params.heads + 2u * params.key_heads) * half;
    let token = index / of_token;
    if (token >= params.tokens) { return; }
    let pair = index % of_token;
    let head = pair / half;
    let i = pair % half;

    let at = token * of_token * 2u + head * half * 2u + i;
    let first = qkv[at];
    let second = qkv[at + half];
    let position = params.start + token;
    if (head >= params.heads + params.key_heads) {
        let to = ((head - params.heads - params.key_heads) * params.capacity + position) * half * 2u + i;
        values[to] = first;
        values[to + half] = second;
        return;
    }
    let cosine = cos_table[position * half + i];
    let sine = sin_table[position * half + i];
    let turned_first = first * cosine - second * sine;
    let turned_second = second * cosine + first * sine;
    if (head < params.heads) {
        let to = (token * params.heads + head) * half * 2u + i;
        out[to] = turned_first;
        out[to + half] = turned_second;
    } else {
        let to = ((head - params.heads) * params.capacity + position) * half * 2u + i;
        keys[to] = turned_first;
        keys[to + half] = turned_second;
    }
}
