use super::*;
use crate::nat::Hairpinning;
use crate::nat::Mapping;
use ExpectedOutcome as O;

fn home() -> Behavior {
    Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent)
}

fn symmetric() -> Behavior {
    Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent)
}

fn blocked() -> Behavior {
    Behavior { udp: crate::nat::UdpPolicy::Blocked, ..home() }
}

fn stun(behavior: Behavior) -> Side {
    Side { stun: true, ..Side::new(vec![behavior]) }
}

fn turn(behavior: Behavior, transport: Transport) -> Side {
    Side { turn: vec![transport], ..stun(behavior) }
}

fn between(offerer: Side, answerer: Side) -> Situation {
    Situation { offerer, answerer, shared: None, gathering: Gathering::Trickle }
}

fn outcomes(offerer: Side, answerer: Side) -> Vec<O> {
    predict(&between(offerer, answerer)).outcomes
}

/// Its reasons as one text.
fn why(situation: &Situation) -> String {
    predict(situation).reasons.join("; ")
}

#[test]
fn one_relay_is_enough_whichever_side_has_it() {
    assert_eq!(outcomes(stun(home()), stun(symmetric())), [O::NoPath]);
    assert_eq!(outcomes(turn(home(), Transport::Udp), stun(symmetric())), [O::Relayed]);
    assert_eq!(outcomes(stun(home()), turn(symmetric(), Transport::Udp)), [O::Relayed]);
    assert_eq!(outcomes(turn(home(), Transport::Udp), turn(home(), Transport::Udp)), [O::Direct]);
}

#[test]
fn a_relay_does_not_hear_a_peer_whose_public_address_nobody_knows() {
    let without_stun = Side::new(vec![symmetric()]);
    let situation = between(turn(home(), Transport::Udp), without_stun);
    assert_eq!(predict(&situation).outcomes, [O::NoPath]);
    assert!(why(&situation).contains("no public address of the answerer (APDM/APDF) is known"), "{}", why(&situation));
    let public = Side::new(vec![]);
    assert_eq!(outcomes(turn(blocked(), Transport::Tcp), public), [O::Relayed], "its host candidate is public");
}

#[test]
fn a_turn_server_over_udp_tells_a_side_its_public_address() {
    let no_stun = Side { turn: vec![Transport::Udp], ..Side::new(vec![home()]) };
    assert_eq!(outcomes(no_stun.clone(), no_stun), [O::Direct]);
}

#[test]
fn with_udp_blocked_only_an_own_relay_over_tcp_helps() {
    assert_eq!(outcomes(turn(blocked(), Transport::Udp), turn(home(), Transport::Udp)), [O::NoPath]);
    assert_eq!(outcomes(turn(blocked(), Transport::Tcp), stun(home())), [O::Relayed]);
    assert_eq!(outcomes(turn(blocked(), Transport::Tcp), stun(blocked())), [O::NoPath]);
    assert_eq!(outcomes(turn(blocked(), Transport::Tcp), turn(blocked(), Transport::Tcp)), [O::Relayed]);
    let reason = why(&between(turn(blocked(), Transport::Udp), turn(home(), Transport::Udp)));
    assert!(reason.contains("UDP is blocked in front of the offerer"), "{reason}");
}

#[test]
fn refused_credentials_matter_only_where_the_relay_does() {
    let refused = |b| Side { wrong_credentials: true, ..turn(b, Transport::Udp) };
    assert_eq!(outcomes(refused(home()), refused(home())), [O::Direct]);
    assert_eq!(outcomes(refused(home()), turn(symmetric(), Transport::Udp)), [O::Relayed], "the other relay is enough");
    let situation = between(refused(home()), stun(symmetric()));
    assert!(predict(&situation).is_unpredicted());
    assert!(why(&situation).contains("refuses the credentials of the offerer"), "{}", why(&situation));
    assert_eq!(
        outcomes(refused(blocked()), stun(home())),
        [O::NoPath],
        "over UDP it could not have been reached anyway"
    );
}

#[test]
fn gathering_cut_short_matters_only_where_candidates_beyond_the_first_do() {
    let short = |a, b| Situation { gathering: Gathering::Incomplete, ..between(a, b) };
    let situation = short(turn(home(), Transport::Udp), turn(home(), Transport::Udp));
    assert!(predict(&situation).is_unpredicted());
    assert!(why(&situation).contains("cut short"), "{}", why(&situation));
    assert_eq!(predict(&short(Side::new(vec![]), stun(symmetric()))).outcomes, [O::Direct], "the first one is public");
    let relays = |b| Side { policy: CandidatePolicy::Relay, ..turn(b, Transport::Udp) };
    assert_eq!(predict(&short(relays(home()), relays(home()))).outcomes, [O::Relayed], "there is only one");
}

#[test]
fn equal_roles_leave_the_outcome_to_the_agents_unless_there_is_no_path_anyway() {
    let forced = |role, b| Side { ice_role: Some(role), ..stun(b) };
    for (offerer, answerer) in [
        (forced(IceRole::Controlling, home()), forced(IceRole::Controlling, home())),
        (forced(IceRole::Controlled, home()), stun(home())),
        (stun(home()), forced(IceRole::Controlling, home())),
    ] {
        let situation = between(offerer, answerer);
        assert!(predict(&situation).is_unpredicted());
        assert!(why(&situation).contains("same ICE role"), "{}", why(&situation));
    }
    let swapped = [forced(IceRole::Controlled, home()), forced(IceRole::Controlling, home())];
    let [offerer, answerer] = swapped;
    assert_eq!(outcomes(offerer, answerer), [O::Direct]);
    let both = forced(IceRole::Controlling, symmetric());
    assert_eq!(outcomes(both.clone(), both), [O::NoPath]);
}

#[test]
fn a_racy_prediction_holds_both_outcomes() {
    let affine = |b| Behavior { semantics: crate::nat::Semantics::ReplyAffine, ..b };
    let listener = affine(Behavior::napt(Mapping::AddressDependent, Filtering::EndpointIndependent));
    let prediction = predict(&between(stun(home()), turn(listener, Transport::Udp)));
    assert_eq!(prediction.outcomes, [O::Direct, O::Relayed]);
    assert!(prediction.racy);
    assert_eq!(predict(&between(stun(home()), stun(listener))).outcomes, [O::Direct, O::NoPath]);
}

#[test]
fn a_policy_that_leaves_no_candidate_leaves_no_path() {
    let relay_only = Side { policy: CandidatePolicy::Relay, ..stun(home()) };
    let situation = between(relay_only, turn(home(), Transport::Udp));
    assert_eq!(predict(&situation).outcomes, [O::NoPath]);
    assert!(why(&situation).contains("the offerer may use relayed candidates only"), "{}", why(&situation));
    let hosts = |b| Side { policy: CandidatePolicy::Host, ..stun(b) };
    assert_eq!(outcomes(hosts(home()), hosts(home())), [O::NoPath], "private addresses lead nowhere");
    let public = Side { policy: CandidatePolicy::Host, ..Side::new(vec![]) };
    assert_eq!(outcomes(hosts(symmetric()), public), [O::Direct]);
}

#[test]
fn turn_over_tcp_alone_may_or_may_not_teach_an_agent_its_address() {
    let tcp = |b| Side { turn: vec![Transport::Tcp], ..Side::new(vec![b]) };
    assert!(predict(&between(tcp(home()), tcp(home()))).is_unpredicted());
    assert_eq!(outcomes(tcp(home()), tcp(symmetric())), [O::Relayed], "it changes nothing here");
}

fn together(common: Behavior, inner: &[Behavior], isolated: bool) -> Situation {
    let side = || Side { stun: true, ..Side::new([inner, &[common]].concat()) };
    Situation { shared: Some(Shared { gateways: 1, isolated }), ..between(side(), side()) }
}

#[test]
fn in_one_network_peers_meet_unless_it_keeps_them_apart() {
    assert_eq!(predict(&together(symmetric(), &[], false)).outcomes, [O::Direct]);
    assert_eq!(predict(&together(blocked(), &[], false)).outcomes, [O::Direct], "nothing leaves the network");
    assert_eq!(predict(&together(home(), &[], true)).outcomes, [O::NoPath]);
    let turns = |hairpinning| Behavior { hairpinning, ..home() };
    assert_eq!(predict(&together(turns(Hairpinning::ExternalSource), &[], true)).outcomes, [O::Direct]);
    assert_eq!(predict(&together(turns(Hairpinning::InternalSource), &[], true)).outcomes, [O::NoPath]);
    let moving = Behavior { hairpinning: Hairpinning::ExternalSource, ..symmetric() };
    assert_eq!(predict(&together(moving, &[], true)).outcomes, [O::NoPath]);
}

#[test]
fn two_homes_behind_one_carrier_depend_on_its_hairpinning() {
    let carrier = |hairpinning| Behavior {
        hairpinning,
        ..Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent)
    };
    let loose = Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    assert_eq!(predict(&together(carrier(Hairpinning::None), &[home()], false)).outcomes, [O::NoPath]);
    assert_eq!(predict(&together(carrier(Hairpinning::ExternalSource), &[home()], false)).outcomes, [O::Direct]);
    assert_eq!(predict(&together(carrier(Hairpinning::InternalSource), &[home()], false)).outcomes, [O::NoPath]);
    assert_eq!(predict(&together(carrier(Hairpinning::InternalSource), &[loose], false)).outcomes, [O::Direct]);
}

#[test]
fn every_prediction_gives_its_reasons() {
    for a in [home(), symmetric(), blocked()] {
        for b in [home(), symmetric(), blocked()] {
            let prediction = predict(&between(stun(a), turn(b, Transport::Udp)));
            assert!(
                !prediction.reasons.is_empty() && prediction.reasons.iter().all(|r| !r.is_empty()),
                "{prediction:?}"
            );
        }
    }
}

#[test]
fn reasons_read_well() {
    let classic = between(turn(symmetric(), Transport::Udp), stun(home()));
    insta::assert_snapshot!(why(&classic));
}
