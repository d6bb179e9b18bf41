//! `natlab classify` behind NATs that are known: what it says must be what they do, and where it cannot know it must say so.
//!
//! Each test has namespaces of its own: two hosts, a gateway, the Internet. The servers in there are natlab's own, coturn, and
//! some that lie. As in `nat_kernel`, where namespaces are refused the tests are listed as ignored with the reason; in CI that
//! is a failure. So it is with coturn, and with nft for a firewall of IPv6, where these are not installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[cfg(target_os = "linux")]
mod behind;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod coturn;
#[cfg(target_os = "linux")]
mod ipv6;
#[cfg(target_os = "linux")]
#[path = "../nat_kernel/lab.rs"]
#[allow(dead_code)]
mod lab;
#[cfg(target_os = "linux")]
mod liar;
#[cfg(target_os = "linux")]
mod lies;
#[cfg(target_os = "linux")]
mod loss;
#[cfg(target_os = "linux")]
#[path = "../check/place.rs"]
#[allow(dead_code)]
mod place;
#[cfg(target_os = "linux")]
mod relayed;
#[cfg(target_os = "linux")]
#[path = "../nat_kernel/sandbox.rs"]
#[allow(dead_code)]
mod sandbox;

#[cfg(target_os = "linux")]
fn main() {
    use libtest_mimic::{Arguments, Trial};

    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    let ci = std::env::var("CI").as_deref() == Ok("true");
    let refused = if arguments.list { None } else { sandbox::enter().err() };
    let (coturn, ipv6) = (place::missing("turnserver"), ipv6::missing());
    let tests = all().into_iter().map(|(name, test)| {
        let lacking = match name.split('/').find(|part| ["coturn", "ipv6"].contains(part)) {
            _ if refused.is_some() => refused.clone(),
            Some("coturn") => coturn.clone(),
            Some(_) => ipv6.clone(),
            None => None,
        };
        let test = Trial::test(name, move || {
            test();
            Ok(())
        });
        match lacking {
            Some(why) if !ci => test.with_kind(why).with_ignored_flag(true),
            _ => test,
        }
    });
    libtest_mimic::run(&arguments, tests.collect()).exit();
}

/// Labs at a time: a classification mostly waits for answers that must not come.
#[cfg(target_os = "linux")]
const AT_A_TIME: usize = 32;

/// Every test by its name.
#[cfg(target_os = "linux")]
fn all() -> Vec<(String, Box<dyn Fn() + Send>)> {
    let mut tests: Vec<(String, Box<dyn Fn() + Send>)> = vec![];
    let mut add = |name: &str, test: fn()| tests.push((name.to_owned(), Box::new(test)));
    // The longest first, so that nothing waits for it at the end.
    add("loss/a_fifth_of_all_packets_each_way", loss::a_fifth_of_all_packets_each_way);
    add("loss/all_of_them", loss::all_of_them);
    add("loss/a_route_that_disappears", loss::a_route_that_disappears);
    add("coturn/two_addresses", coturn::two_addresses);
    add("coturn/one_address", coturn::one_address);
    add("lies/a_dead_alternate", lies::a_dead_alternate);
    add("lies/an_alternate_that_is_the_server_itself", lies::an_alternate_that_is_the_server_itself);
    add("lies/a_private_mapped_address", lies::a_private_mapped_address);
    add("lies/answers_from_the_wrong_source", lies::answers_from_the_wrong_source);
    add("lies/a_wrong_transaction_id", lies::a_wrong_transaction_id);
    add("lies/truncated_messages", lies::truncated_messages);
    add("lies/oversized_messages", lies::oversized_messages);
    add("lies/try_alternate", lies::try_alternate);
    add("lies/change_request_is_refused", lies::change_request_is_refused);
    add("lies/change_request_is_ignored", lies::change_request_is_ignored);
    add("lies/silence", lies::silence);
    add("lies/one_liar_among_three", lies::one_liar_among_three);
    add("lies/a_name_that_does_not_resolve", lies::a_name_that_does_not_resolve);
    add("behind/without_translation", behind::without_translation);
    add("behind/udp_blocked", behind::udp_blocked);
    add(
        "relayed/coturn/time_limited_credentials_and_a_wrong_secret",
        relayed::time_limited_credentials_and_a_wrong_secret,
    );
    add("ipv6/each_family_by_itself", ipv6::each_family_by_itself);
    add("ipv6/for_people", ipv6::for_people);
    add("ipv6/a_relay", ipv6::a_relay);
    add("ipv6/check", ipv6::check);
    add("relayed/a_wrong_password", relayed::a_wrong_password);
    add("relayed/where_one_of_the_stun_servers_is", relayed::where_one_of_the_stun_servers_is);
    add("relayed/elsewhere", relayed::elsewhere);
    add("relayed/over_tcp_alone", relayed::over_tcp_alone);
    add("relayed/where_the_only_stun_server_is", relayed::where_the_only_stun_server_is);
    for b in relayed::nine() {
        tests.push((format!("relayed/natlab/{b}").to_lowercase(), Box::new(move || relayed::agrees(b))));
        tests.push((format!("relayed/coturn/{b}").to_lowercase(), Box::new(move || relayed::agrees_with_coturn(b))));
    }
    for b in behind::combinations() {
        tests.push((behind::name(&b), Box::new(move || behind::agrees(b))));
    }
    tests
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the NATs are those of Linux: nothing to test here");
}
