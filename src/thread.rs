//! Threads with their own runtime, for work that no review may delay.

use std::io;

use tokio::runtime::Builder;

/// Runs a future, which `make` returns, on its own thread and runtime. It ends with the
/// process, or when the future is complete.
///
/// # Errors
/// If the system gives no thread, or none of what a runtime needs.
pub fn run<F: Future<Output = ()>>(
    name: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || runtime.block_on(async { make().await }))?;
    Ok(())
}
