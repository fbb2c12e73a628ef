//! A TCP connection that a test can cut.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Passes bytes on to another address until told otherwise.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    frozen: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy for `https://host:port`.
    pub(crate) fn start(target: &str) -> io::Result<Self> {
        let target = target
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Where the target does not answer the client sees its connection closed, as without a proxy.
                if !accepting.closed.load(Ordering::Acquire)
                    && let Ok(server) = TcpStream::connect(&target)
                {
                    let _ = accepting.pass(client, server);
                }
            }
        });
        Ok(Self { port, shared })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Cuts every connection; new ones are made at once.
    pub(crate) fn cut(&self) {
        for stream in self.shared.open().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts every connection and lets no new one through.
    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.cut();
    }

    /// Holds back every byte from now on, or lets those that waited through.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.shared.frozen.store(frozen, Ordering::Release);
    }

    /// Lets connections through again.
    pub(crate) fn open(&self) {
        self.shared.closed.store(false, Ordering::Release);
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> io::Result<()> {
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.open().push(stream.try_clone()?);
        }
        let (from, to) = (client.try_clone()?, server.try_clone()?);
        let (one, other) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || one.copy(from, to));
        thread::spawn(move || other.copy(server, client));
        Ok(())
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read) = from.read(&mut buffer) {
            while self.frozen.load(Ordering::Acquire) {
                thread::sleep(Duration::from_millis(10));
            }
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
