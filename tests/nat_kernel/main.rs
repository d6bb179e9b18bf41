//! The rules against the kernel: NATs in network namespaces, and packets through them.
//!
//! Not a libtest harness: entering a user namespace needs a process with one thread. Everything happens in namespaces of its
//! own, as root or as an ordinary user, and through netlink alone. Where that is not allowed the tests are listed as ignored
//! with the reason; in CI (`CI=true`) that is a failure.
//!
//! Which packets do not arrive is decided by order, never by waiting: all of the process runs on one processor, where packets
//! of the same number of hops stay in order, and after each packet a pulse goes a longer way that is open. What has not come by
//! then will not come.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[cfg(target_os = "linux")]
mod answers;
#[cfg(target_os = "linux")]
mod behaviors;
#[cfg(target_os = "linux")]
mod endpoints;
#[cfg(target_os = "linux")]
mod errors;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod fixed;
#[cfg(target_os = "linux")]
mod harness;
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_os = "linux")]
mod lifetimes;
#[cfg(target_os = "linux")]
mod nft;
#[cfg(target_os = "linux")]
mod ports;
#[cfg(target_os = "linux")]
mod races;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod script;
#[cfg(target_os = "linux")]
mod tcp;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    const NEEDS_NFT: &str = "netlink_and_text_mean_the_same";
    const TESTS: &[harness::Test<lab::Home>] = &[
        ("nine_behaviors_for_two_hosts", behaviors::nine_behaviors_for_two_hosts),
        ("curated_scripts_agree", script::curated_scripts_agree),
        ("addresses_that_are_nobodys_agree", script::addresses_that_are_nobodys_agree),
        ("tcp_endings_agree", script::endings_agree),
        ("tcp_endings_are_no_end_before_the_lifetime", script::endings_are_no_end_before_the_lifetime),
        ("random_udp_scripts_agree", script::random_udp_scripts_agree),
        ("random_tcp_scripts_agree", script::random_tcp_scripts_agree),
        ("random_axes_agree", script::random_axes_agree),
        ("lifetimes_agree", script::lifetimes_agree),
        ("tracked_lifetimes_agree", script::tracked_lifetimes_agree),
        ("hairpins_agree", script::hairpins_agree),
        ("ports_are_preserved_and_never_shared", behaviors::ports_are_preserved_and_never_shared),
        ("ports_run_out", behaviors::ports_run_out),
        ("first_packets_at_once", races::first_packets_at_once),
        ("unsolicited_packets_leave_no_trace", behaviors::unsolicited_packets_leave_no_trace),
        ("untranslated_packets_do_not_pass", behaviors::untranslated_packets_do_not_pass),
        ("packets_without_checksum_stay_without", behaviors::packets_without_checksum_stay_without),
        ("hairpinning_none", behaviors::hairpinning_none),
        ("hairpinning_external_source", behaviors::hairpinning_external_source),
        ("hairpinning_internal_source", behaviors::hairpinning_internal_source),
        ("state_is_forgotten_on_request", behaviors::state_is_forgotten_on_request),
        ("an_address_pool_is_paired", behaviors::an_address_pool_is_paired),
        ("udp_blocked", behaviors::udp_blocked),
        ("firewalls", behaviors::firewalls),
        ("tcp_nine_behaviors", tcp::nine_behaviors),
        ("nat_behind_nat", behaviors::nat_behind_nat),
        ("a_permission_is_one_endpoints_own", faults::a_permission_is_one_endpoints_own),
        ("the_second_host_with_a_port_is_filtered_alike", faults::the_second_host_with_a_port_is_filtered_alike),
        (
            "two_hosts_with_one_port_keep_distinct_and_stable_mappings",
            faults::two_hosts_with_one_port_keep_distinct_and_stable_mappings,
        ),
        (
            "a_hairpinned_packet_has_an_external_source_and_is_filtered",
            faults::a_hairpinned_packet_has_an_external_source_and_is_filtered,
        ),
        ("hairpinning_leaves_other_packets_alone", faults::hairpinning_leaves_other_packets_alone),
        ("a_configured_lifetime_holds_with_open_filtering", faults::a_configured_lifetime_holds_with_open_filtering),
        ("a_dependent_mapping_may_be_open", faults::a_dependent_mapping_may_be_open),
        ("an_unsolicited_packet_is_met_with_silence", faults::an_unsolicited_packet_is_met_with_silence),
        ("parity_is_preserved", ports::parity_is_preserved),
        ("parity_is_not_given_up", ports::parity_is_not_given_up),
        ("ports_follow_each_other", ports::ports_follow_each_other),
        ("a_range_gives_exactly_its_ports", ports::a_range_gives_exactly_its_ports),
        ("each_host_has_its_block", ports::each_host_has_its_block),
        ("overloading_shares_ports", ports::overloading_shares_ports),
        ("an_address_pool_is_arbitrary", ports::an_address_pool_is_arbitrary),
        ("the_largest_tables_load", ports::the_largest_tables_load),
        ("mappings_end", lifetimes::mappings_end),
        ("outbound_packets_alone_refresh", lifetimes::outbound_packets_alone_refresh),
        ("inbound_packets_alone_refresh", lifetimes::inbound_packets_alone_refresh),
        ("refresh_of_whole_seconds", lifetimes::refresh_of_whole_seconds),
        ("connections_end", lifetimes::connections_end),
        ("unwanted_packets_are_answered", answers::unwanted_packets_are_answered),
        ("unwanted_syns_are_answered", answers::unwanted_syns_are_answered),
        ("icmp_errors_pass", errors::icmp_errors_pass),
        ("icmp_errors_pass_outwards", errors::icmp_errors_pass_outwards),
        ("icmp_errors_change_no_mapping", errors::icmp_errors_change_no_mapping),
        ("a_forwarded_port_leads_inside", fixed::a_forwarded_port_leads_inside),
        ("a_forwarded_port_does_not_end", fixed::a_forwarded_port_does_not_end),
        ("a_forwarded_port_is_reached_by_hairpin", fixed::a_forwarded_port_is_reached_by_hairpin),
        ("a_forwarded_port_accepts_connections", fixed::a_forwarded_port_accepts_connections),
        ("one_to_one", fixed::one_to_one),
        ("one_to_one_hairpins", fixed::one_to_one_hairpins),
        ("protocols_may_differ", tcp::protocols_may_differ),
        ("hairpinned_connections_are_filtered", tcp::hairpinned_connections_are_filtered),
        ("simultaneous_open", tcp::simultaneous_open),
        (NEEDS_NFT, nft::netlink_and_text_mean_the_same),
    ];

    let lacks = |name: &str| (name == NEEDS_NFT).then(nft::missing).flatten().map(str::to_owned);
    harness::run(TESTS, lacks, || {
        sandbox::enter()?;
        Ok(lab::Home::build().expect("build the lab"))
    })
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the rules are those of Linux: nothing to test here");
}
