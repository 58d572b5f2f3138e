//! The same bits as another type: how arrays come into vectors and out of them.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::{float32x4_t, int16x8_t, uint8x16_t};
#[cfg(target_arch = "wasm32")]
use std::arch::wasm32::v128;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m128i, __m256, __m256i, __m512, __m512i};

/// Numbers, and arrays and vectors of them.
///
/// # Safety
/// Every byte of a value is set, and every pattern of bits is one.
// SAFETY: whoever implements it says why that holds.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),*) => {
        // SAFETY: a number, or a vector of numbers: it has no padding, and all patterns mean something.
        $(unsafe impl Plain for $type {})*
    };
}

plain!(u8, i16, f32);
#[cfg(target_arch = "aarch64")]
plain!(float32x4_t, int16x8_t, uint8x16_t);
#[cfg(target_arch = "wasm32")]
plain!(v128);
#[cfg(target_arch = "x86_64")]
plain!(__m128i, __m256, __m256i, __m512, __m512i);

// SAFETY: an array has no padding between its elements.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The bits of `from`, of which the other type has as many.
#[inline(always)]
pub fn cast<From: Plain, To: Plain>(from: From) -> To {
    const { assert!(size_of::<From>() == size_of::<To>()) };
    // SAFETY: both have the same size, all of `from` is set, and any bits are a `To`.
    unsafe { std::mem::transmute_copy(&from) }
}
