//! Who runs natlab: whoever runs the tests, and where that is root an ordinary user too, and root where user namespaces are
//! refused.
#![allow(dead_code, reason = "two test programs share this file, and neither uses all of it")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use libtest_mimic::Conclusion;
use tempfile::TempDir;

/// `nobody`: nothing is writable to it.
const NOBODY: u32 = 65534;

/// Somebody who runs natlab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Own,
    /// An ordinary user.
    Nobody,
    /// Root inside a chroot, where the kernel refuses user namespaces.
    RootInChroot,
    /// An ordinary user there.
    NobodyInChroot,
}

impl User {
    pub fn name(self) -> &'static str {
        match self {
            User::Own if is_root() => "root",
            User::Own | User::Nobody => "user",
            User::RootInChroot => "plain_root",
            User::NobodyInChroot => "refused_user",
        }
    }

    /// `natlab`, as this user. The program that is started becomes natlab: its process id is natlab's.
    pub fn natlab(self) -> Command {
        let program = program();
        match self {
            User::Own => Command::new(program),
            User::Nobody => {
                let mut command = Command::new(program);
                command.uid(NOBODY).gid(NOBODY);
                command
            }
            User::RootInChroot => chroot("0:0", program),
            User::NobodyInChroot => chroot(&format!("{NOBODY}:{NOBODY}"), program),
        }
    }
}

/// A mount namespace of its own in which the whole tree stands once more, as the root of a chroot.
fn chroot(user: &str, program: &Path) -> Command {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    let root = ROOT.get_or_init(lasting);
    let script = "mount --rbind / \"$0\" && user=$1 && shift && exec chroot --userspec=\"$user\" \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(root).arg(user).arg(program);
    command
}

/// The program under test, where every user can run it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let path = lasting().join("natlab");
        let built = env!("CARGO_BIN_EXE_natlab");
        fs::hard_link(built, &path).or_else(|_| fs::copy(built, &path).map(drop)).expect("a copy of natlab");
        path
    })
}

/// Directories that last as long as the test program; statics are never dropped.
static LASTING: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());

fn lasting() -> PathBuf {
    let directory = open(tempfile::tempdir().expect("a temporary directory"));
    let path = directory.path().to_owned();
    LASTING.lock().expect("no test panics here").push(directory);
    path
}

/// Ends the test program, and leaves nothing behind.
pub fn finish(conclusion: &Conclusion) -> ! {
    LASTING.lock().expect("no test panics here").clear();
    conclusion.exit()
}

/// Readable to every user.
pub fn open(directory: TempDir) -> TempDir {
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("an open directory");
    directory
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Everybody who can run a lab here.
pub fn users() -> Vec<User> {
    if is_root() { vec![User::Own, User::Nobody, User::RootInChroot] } else { vec![User::Own] }
}
