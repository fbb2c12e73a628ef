//! What one review may cost: at most 100 ms of CPU and 48 MiB, for every kind of object and for
//! objects that are made to be as expensive as possible, up to the 3 MiB that the API server
//! accepts.
//!
//! A binary of its own, because its allocator counts. Both figures are those of the thread that
//! decides: what runs beside it on a busy machine changes neither the memory nor, much, the CPU
//! time. The core is compiled as it is for a release (`profile.test.package` in Cargo.toml).

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands, and prints what it measured"
)]

mod carriers;
mod measure;
mod networks;

/// The size of the objects: what the API server reads of a request body (`MaxRequestBodyBytes`).
const LARGEST_OBJECT: usize = 3 << 20;
/// What all annotations of an object may have together (`TotalAnnotationSizeLimitB`).
const LARGEST_ANNOTATIONS: usize = 256 << 10;

/// `unit` as often as fits into `length` bytes.
fn fill(unit: &str, length: usize) -> String {
    unit.repeat(length / unit.len())
}

/// What `unit` writes for 0, 1, 2 … separated by commas, as far as it fits into `length` bytes.
fn list(length: usize, unit: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(length);
    for index in 0.. {
        let next = unit(index);
        if text.len() + next.len() + 1 > length {
            break;
        }
        if index > 0 {
            text.push(',');
        }
        text.push_str(&next);
    }
    text
}
