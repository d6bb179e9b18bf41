//! `natlab check SERVER…`: whether STUN and TURN servers do what their clients need, and why not.

mod human;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::exit::Exit;
use super::output;
use super::output::Format;
use crate::probe::check::finding::{Conclusion, Report};
use crate::probe::check::target::{NotATarget, Target};
use crate::probe::check::{Login, Settings, check};
use crate::probe::turn::{Credentials, Pace, Trust, TrustError};

/// The longest user name (RFC 8489 §14.3 says fewer than 509 bytes); longer ones are refused before anything is sent.
const LONGEST_NAME: usize = 508;

/// Options of `natlab check`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  natlab check turn:turn.example.org --user alice --password secret
  natlab check turns:turn.example.org:443 --secret north
  natlab check stun:stun.example.org 192.0.2.1

Exit: 0 nothing failed, 1 something did, 2 usage, 4 undecided, 130 interrupted.")]
pub struct Options {
    /// What is checked.
    #[arg(
        value_name = "SERVER",
        required = true,
        help = "stun:HOST[:PORT], stuns:…, turn:HOST[:PORT][?transport=udp|tcp], turns:…, or HOST[:PORT] for all that it offers"
    )]
    pub servers: Vec<Target>,
    /// User name for TURN; with --secret, what follows the colon.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Password for TURN; in the environment other users of this host do not see it.
    #[arg(long, env = "NATLAB_TURN_PASSWORD", hide_env_values = true, requires = "user")]
    pub password: Option<String>,
    /// Secret shared with the server, for time-limited credentials (coturn: static-auth-secret).
    #[arg(long, env = "NATLAB_TURN_SECRET", hide_env_values = true, conflicts_with = "password")]
    pub secret: Option<String>,
    /// How long time-limited credentials are good for, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub lifetime: u64,
    /// Realm that the server must have.
    #[arg(long)]
    pub realm: Option<String>,
    /// PEM file with authorities to trust besides those that browsers trust.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Accept every certificate.
    #[arg(long)]
    pub insecure: bool,
    /// How long an answer may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 3000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub timeout: u64,
    /// Binding requests for the round-trip times, per transport.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub round_trips: u32,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file of authorities cannot be read.
    #[error("read {}: {source}", .path.display())]
    Ca {
        /// It.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The authorities cannot be used.
    #[error("{0}")]
    Trust(#[from] TrustError),
    /// A target makes no sense.
    #[error("{0}")]
    Target(#[from] NotATarget),
    /// The flags do not go together.
    #[error("{0}")]
    Flags(&'static str),
    /// The runtime could not be made.
    #[error("start the runtime: {0}")]
    Runtime(io::Error),
}

/// Checks, and reports on `out`.
pub fn run(options: &Options, out: &mut impl Write) -> Exit {
    let report = settings(options).and_then(|settings| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
        let bar = spinner(options.quiet);
        let report = runtime.block_on(async {
            let mut say = |step: &str| bar.set_message(step.to_owned());
            tokio::select! {
                report = check(&options.servers, &settings, &mut say) => Some(report),
                () = super::serve::ended() => None,
            }
        });
        bar.finish_and_clear();
        // A name that the resolver still looks for must not hold the end up.
        runtime.shutdown_background();
        Ok(report)
    });
    let report = match report {
        Ok(Some(report)) => report,
        Ok(None) => return Exit::Interrupted,
        Err(failure) => {
            output::complain(&format!("failed to {failure}"), None);
            return if matches!(failure, Failure::Runtime(_)) { Exit::Host } else { Exit::Usage };
        }
    };
    let written = match text(&report, options.format) {
        Ok(text) => out.write_all(text.as_bytes()).and_then(|()| out.flush()),
        Err(e) => Err(e.into()),
    };
    match output::written(written) {
        Exit::Success => exit(report.conclusion),
        other => other,
    }
}

fn text(report: &Report, format: Format) -> Result<String, serde_json::Error> {
    match format {
        Format::Human => {
            let width = output::terminal_width().unwrap_or(80).clamp(60, 120);
            Ok(human::render(report, width, output::stdout_colour()))
        }
        Format::Json => serde_json::to_string_pretty(report).map(|json| json + "\n"),
    }
}

/// The exit code says what the report says.
fn exit(conclusion: Conclusion) -> Exit {
    match conclusion {
        Conclusion::Ok => Exit::Success,
        Conclusion::Failed => Exit::Unmet,
        Conclusion::Undecided => Exit::Undecided,
    }
}

fn settings(options: &Options) -> Result<Settings, Failure> {
    let login = match (&options.user, &options.password, &options.secret) {
        (user, None, Some(secret)) => Some(Login::Secret {
            secret: secret.clone(),
            user: user.clone(),
            lifetime: Duration::from_secs(options.lifetime),
        }),
        (Some(user), Some(password), _) => {
            Some(Login::Password(Credentials { user: user.clone(), password: password.clone() }))
        }
        (Some(_), None, None) => {
            return Err(Failure::Flags("log in: --user needs --password or --secret"));
        }
        _ => None,
    };
    if options.user.as_ref().is_some_and(|u| u.len() > LONGEST_NAME) {
        return Err(Failure::Flags("log in: a user name has fewer than 509 bytes (RFC 8489 §14.3)"));
    }
    let pem = match &options.ca {
        Some(path) => Some(std::fs::read(path).map_err(|source| Failure::Ca { path: path.clone(), source })?),
        None => None,
    };
    let patience = Duration::from_millis(options.timeout);
    let anybody = Trust::anybody()?;
    Ok(Settings {
        login,
        realm: options.realm.clone(),
        trust: Trust::authorities(pem.as_deref())?,
        anybody,
        insecure: options.insecure,
        // Four sendings within the patience, as at the default of 3 s: 0, 250, 750 and 1750 ms.
        pace: Pace { rto: patience / 12, patience },
        round_trips: options.round_trips,
    })
}

/// What is looked at now, on a terminal only.
fn spinner(quiet: bool) -> ProgressBar {
    let visible = !quiet && io::stderr().is_terminal();
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
