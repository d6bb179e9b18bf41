//! Ctrl-C and SIGTERM, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often the user has interrupted.
#[derive(Clone, Debug)]
pub struct Interrupts(Arc<AtomicUsize>);

impl Interrupts {
    /// Listens from now on, on a thread of its own: so only once the inner process runs.
    pub fn listen() -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        // Without the listener an interrupt still ends natlab, and with it every lab.
        let _ = std::thread::Builder::new().name("interrupts".into()).spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let (Ok(mut interrupt), Ok(mut terminate)) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
                else {
                    return;
                };
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            });
        });
        Interrupts(count)
    }

    /// How many so far.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
