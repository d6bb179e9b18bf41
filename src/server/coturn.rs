//! coturn as a lab's server: its configuration, how it is started, and which of its lines say that it listens. Pure;
//! observed with coturn 4.6.1 of Debian 12.

use std::fmt::Write as _;
use std::path::Path;

use crate::net::Transport;
use crate::plan::{Server, ServerKind};

/// The program.
pub const PROGRAM: &str = "turnserver";

/// A setting that cannot be written into coturn's configuration, which is one line per setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotForCoturn {
    /// It would end its line.
    #[error("write {what} {value:?} into a configuration of coturn: it has a control character")]
    ControlCharacter {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// A server listens somewhere.
    #[error("configure coturn on {0}: the server has no address")]
    NoAddress(String),
}

/// The text of its configuration file. Everything it writes goes to stdout or into `directory`: without `userdb` it
/// opens the system's own database, without `pidfile` two servers overwrite each other's.
///
/// With two addresses RFC 5780 is on by itself; the alternate port is the next one.
///
/// # Errors
/// When a setting does not fit on a line.
pub fn configuration(server: &Server, directory: &Path) -> Result<String, NotForCoturn> {
    let directory = directory.display().to_string();
    let settings =
        [("user", &server.user), ("password", &server.password), ("realm", &server.realm), ("directory", &directory)];
    for (what, value) in settings {
        if value.chars().any(char::is_control) {
            return Err(NotForCoturn::ControlCharacter { what, value: value.clone() });
        }
    }
    let relay = server.addresses.first().ok_or_else(|| NotForCoturn::NoAddress(server.node.clone()))?;

    let mut text = String::new();
    let mut line = |setting: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{setting}");
    };
    line(format_args!("listening-port={}", server.port));
    for address in &server.addresses {
        line(format_args!("listening-ip={address}"));
    }
    line(format_args!("relay-ip={relay}"));
    match server.kind {
        ServerKind::Stun => line(format_args!("stun-only")),
        ServerKind::Turn => {
            line(format_args!("lt-cred-mech"));
            line(format_args!("user={}:{}", server.user, server.password));
            line(format_args!("realm={}", server.realm));
        }
    }
    line(format_args!("fingerprint"));
    for transport in [Transport::Udp, Transport::Tcp] {
        if !server.transports.contains(&transport) {
            line(format_args!("no-{transport}"));
        }
    }
    for setting in ["no-tls", "no-dtls", "no-cli", "log-file=stdout", "simple-log"] {
        line(format_args!("{setting}"));
    }
    // Otherwise it does not say that it listens, nor which peers it relays to.
    line(format_args!("verbose"));
    line(format_args!("pidfile={directory}/turnserver.pid"));
    line(format_args!("userdb={directory}/turndb"));
    Ok(text)
}

/// Program and arguments.
pub fn argv(configuration: &Path) -> Vec<String> {
    vec![PROGRAM.to_owned(), "-c".to_owned(), configuration.display().to_string()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::Implementation;

    fn server(addresses: &[&str]) -> Server {
        Server {
            node: "turn".to_owned(),
            kind: ServerKind::Turn,
            implementation: Implementation::Coturn,
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            port: 3478,
            transports: vec![Transport::Udp, Transport::Tcp],
            realm: "natlab".to_owned(),
            user: "u".to_owned(),
            password: "p:w".to_owned(),
        }
    }

    #[test]
    fn everything_it_writes_goes_into_the_directory() {
        let text = configuration(&server(&["203.0.113.1", "203.0.113.2"]), Path::new("/private")).unwrap();
        for setting in ["pidfile=/private/turnserver.pid", "userdb=/private/turndb", "log-file=stdout", "user=u:p:w"] {
            assert!(text.lines().any(|l| l == setting), "{setting} in\n{text}");
        }
        assert_eq!(text.matches("listening-ip=").count(), 2);
        assert!(!text.contains("no-udp") && !text.contains("no-tcp"));
    }

    #[test]
    fn a_stun_server_needs_no_user_and_a_transport_can_be_left_out() {
        let mut stun = server(&["203.0.113.1"]);
        stun.kind = ServerKind::Stun;
        stun.transports = vec![Transport::Udp];
        let text = configuration(&stun, Path::new("/private")).unwrap();
        assert!(text.contains("stun-only\n") && text.contains("no-tcp\n") && !text.contains("user="), "{text}");
    }

    #[test]
    fn a_setting_cannot_smuggle_in_another() {
        let mut smuggler = server(&["203.0.113.1"]);
        smuggler.realm = "natlab\nno-auth".to_owned();
        assert!(configuration(&smuggler, Path::new("/private")).is_err());
    }
}
