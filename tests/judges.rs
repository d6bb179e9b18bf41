//! Judges that nobody here wrote: other people's NAT classifiers run in a node of the lab, and what they find must be what
//! was declared. Each speaks to natlab's own STUN server and to coturn's, so that a mistake which client and server of
//! natlab share would show.
//!
//! A judge that is not installed, or a host without a lab, makes its tests ignored, with the reason beside their names; in
//! CI they run and fail. `scripts/test` installs the judges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "judges/gateways.rs"]
mod gateways;
#[path = "judges/judge.rs"]
mod judge;
#[path = "judges/lab.rs"]
mod lab;

use libtest_mimic::{Arguments, Failed, Trial};

use gateways::Gateway;
use judge::Judge;
use lab::Server;

/// Labs at a time. Judges mostly wait for answers that must not come, the slowest of them 16 s; a lab costs milliseconds.
const AT_A_TIME: usize = 48;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    let ci = std::env::var("CI").as_deref() == Ok("true");
    let no_lab = lab::missing();
    let mut tests = Vec::new();
    // The slowest first, so that nothing waits for them at the end.
    for judge in [Judge::Pystun3, Judge::Natdiscovery, Judge::Pion, Judge::Vovida] {
        for server in [Server::Natlab, Server::Coturn] {
            let missing = no_lab.clone().or_else(|| judge.missing()).or_else(|| server.missing());
            let whole = if server == Server::Natlab && judge.is_quick() { gateways::whole() } else { Vec::new() };
            for gateway in gateways::all(server).into_iter().chain(whole) {
                let name = format!("{}::{}::{}", judge.name(), server.name(), gateway.name());
                let test = Trial::test(name, move || agrees(judge, server, gateway));
                tests.push(match &missing {
                    Some(why) if !ci => test.with_kind(why.clone()).with_ignored_flag(true),
                    _ => test,
                });
            }
        }
    }
    libtest_mimic::run(&arguments, tests).exit();
}

/// Runs the judge behind the gateway and compares.
fn agrees(judge: Judge, server: Server, gateway: Gateway) -> Result<(), Failed> {
    let said = lab::exec(server, gateway, &judge.command())?;
    let (found, expected) = (judge.finding(gateway, &said), judge.expected(server, gateway));
    if found == expected {
        return Ok(());
    }
    Err(format!("found    {found}\nexpected {expected}\nthe judge said:\n{said}").into())
}
