//! A directory of our own that namespaces can be pinned in.

use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;

use crate::sandbox::isolate;

/// Directories that a private tmpfs may cover.
const PLACES: [&str; 4] = ["/media", "/srv", "/mnt", "/opt"];

/// Moves this process into new user, mount and network namespaces, as root there. The directory, or the reason why the host
/// does not let it.
pub fn enter() -> Result<PathBuf, String> {
    isolate(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).map_err(|e| format!("mounts cannot be made private: {e}"))?;
    let mut places = PLACES.iter().map(Path::new).filter(|p| p.is_dir());
    let place = places.find(|p| mount(Some("natlab"), *p, Some("tmpfs"), MsFlags::empty(), none).is_ok());
    place.map(Path::to_owned).ok_or_else(|| "no tmpfs can be mounted".to_owned())
}
