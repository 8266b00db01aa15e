//! Ctrl-C and SIGTERM: the first asks the run to clean up and end, the second ends it at once.

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// As a shell reports a command that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// A flag that the first signal sets; from then on a second one exits the process.
pub(crate) fn cancel_flag() -> io::Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the shutdown looks at the flag before this very signal sets it.
        flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, Arc::clone(&cancel))?;
        flag::register(signal, Arc::clone(&cancel))?;
    }
    // With a handler, a file that would pass the limit (`ulimit -f`) is a failed write instead of the end.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(cancel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn the_first_signal_only_sets_the_flag() {
        let cancel = cancel_flag().unwrap();
        assert!(!cancel.load(Ordering::SeqCst));
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(cancel.load(Ordering::SeqCst));
    }
}
