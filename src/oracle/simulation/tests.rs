#![allow(clippy::unwrap_used)]
use super::super::closed_form::{Shared, Side, predict};
use super::*;
use crate::nat::{Filtering, Hairpinning, Mapping, Pooling, PortAssignment, PortRange, Semantics};
use crate::scenario::Gathering;

/// The eleven behaviours of the table, in its order.
fn behaviors() -> Vec<(String, Behavior)> {
    let public = [("OPEN", Filtering::EndpointIndependent), ("FW", Filtering::AddressAndPortDependent)];
    let public = public.into_iter().map(|(name, filtering)| (name.to_owned(), Behavior::public(filtering)));
    let nats = Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.map(|f| Behavior::napt(m, f)));
    public.chain(nats.map(|b| (b.to_string(), b))).collect()
}

fn affine(behavior: Behavior) -> Behavior {
    Behavior { semantics: Semantics::ReplyAffine, ..behavior }
}

fn with_stun(gateways: &[Behavior]) -> Side {
    Side { stun: true, ..Side::new(gateways.to_vec()) }
}

fn pair(offerer: Side, answerer: Side) -> Situation {
    Situation { offerer, answerer, shared: None, gathering: Gathering::Trickle }
}

/// Ordered pairs.
fn pairs<T: Clone>(sides: &[T]) -> impl Iterator<Item = (T, T)> + '_ {
    sides.iter().flat_map(|a| sides.iter().map(|b| (a.clone(), b.clone())))
}

/// The closed form says what the simulation finds, whatever the timing. Where it has no rule it says nothing.
fn difference(situation: &Situation, timings: &[Timing]) -> Option<String> {
    let predicted = predict(situation);
    let said: BTreeSet<ExpectedOutcome> = predicted.outcomes.iter().copied().collect();
    let found: BTreeSet<ExpectedOutcome> = timings.iter().map(|timing| simulate(situation, *timing).outcome).collect();
    (found != said && !predicted.is_unpredicted())
        .then(|| format!("found {found:?}, said {said:?}\n  {}", brief(situation)))
}

/// A situation on one line; `~` is reply affinity.
fn brief(situation: &Situation) -> String {
    let gateway =
        |b: &Behavior| format!("{b}{} {:?}", if b.semantics == Semantics::Strict { "" } else { "~" }, b.hairpinning);
    let side = |s: &Side| {
        let chain: Vec<String> = s.gateways.iter().map(gateway).collect();
        format!("{chain:?} {:?} stun {} turn {:?}", s.policy, s.stun, s.turn)
    };
    format!("{} x {}, {:?}", side(&situation.offerer), side(&situation.answerer), situation.shared)
}

/// All of them agree; how many there were.
fn all_agree(situations: impl Iterator<Item = Situation>, timings: impl Iterator<Item = Timing>) -> usize {
    let (situations, timings): (Vec<Situation>, Vec<Timing>) = (situations.collect(), timings.collect());
    let differences: Vec<String> = situations.iter().filter_map(|s| difference(s, &timings)).collect();
    let some = differences.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {}, among them:\n{some}", differences.len(), situations.len());
    situations.len()
}

#[test]
fn the_closed_form_agrees_on_all_pairs() {
    let sides: Vec<Side> = behaviors().iter().map(|(_, b)| with_stun(&[*b])).collect();
    assert_eq!(all_agree(pairs(&sides).map(|(a, b)| pair(a, b)), Timing::all()), 121);
}

/// All behaviours with both semantics.
fn both_semantics() -> Vec<Behavior> {
    behaviors().into_iter().flat_map(|(_, b)| [b, affine(b)]).collect()
}

#[test]
fn the_closed_form_agrees_with_reply_affinity_on_either_side_and_where_a_side_has_no_stun() {
    let sides: Vec<Side> = both_semantics().into_iter().flat_map(|b| [with_stun(&[b]), Side::new(vec![b])]).collect();
    all_agree(pairs(&sides).map(|(a, b)| pair(a, b)), Timing::all());
}

#[test]
fn the_closed_form_agrees_for_chains_of_gateways() {
    let all = both_semantics();
    let chains = pairs(&all).flat_map(|(inner, outer)| [with_stun(&[inner, outer]), Side::new(vec![inner, outer])]);
    let others: Vec<Side> = behaviors()
        .into_iter()
        .flat_map(|(_, b)| [with_stun(&[b]), Side::new(vec![b]), with_stun(&[affine(b)])])
        .collect();
    all_agree(
        chains.flat_map(|chain| others.iter().map(move |other| pair(chain.clone(), other.clone())).collect::<Vec<_>>()),
        Timing::extremes(),
    );
}

#[test]
fn the_closed_form_agrees_for_pairs_of_chains() {
    let all: Vec<Behavior> = behaviors().into_iter().map(|(_, b)| b).collect();
    let chains: Vec<Side> = pairs(&all).map(|(inner, outer)| with_stun(&[inner, outer])).collect();
    all_agree(pairs(&chains).map(|(a, b)| pair(a, b)), Timing::extremes());
}

fn blocked() -> Behavior {
    Behavior { udp: UdpPolicy::Blocked, ..home(Filtering::AddressAndPortDependent) }
}

/// Every behaviour, and UDP blocked.
fn gateways() -> Vec<Behavior> {
    behaviors().into_iter().map(|(_, b)| b).chain([blocked()]).collect()
}

#[test]
fn the_closed_form_agrees_for_all_servers_and_where_udp_is_blocked() {
    let turn = [vec![], vec![Transport::Udp], vec![Transport::Tcp]];
    let equipped = |b| {
        turn.iter()
            .flat_map(move |turn| [false, true].map(|stun| Side { stun, turn: turn.clone(), ..Side::new(vec![b]) }))
    };
    let sides: Vec<Side> = gateways().into_iter().flat_map(equipped).collect();
    all_agree(pairs(&sides).map(|(a, b)| pair(a, b)), Timing::extremes());
}

#[test]
fn the_closed_form_agrees_for_all_candidate_policies() {
    use CandidatePolicy as P;
    let limited = |b| {
        [P::All, P::Host, P::Srflx, P::Relay].into_iter().flat_map(move |policy| {
            let servers = [(false, vec![]), (true, vec![Transport::Udp])];
            servers.map(|(stun, turn)| Side { stun, turn, policy, ..Side::new(vec![b]) })
        })
    };
    let sides: Vec<Side> = gateways().into_iter().flat_map(limited).collect();
    all_agree(pairs(&sides).map(|(a, b)| pair(a, b)), Timing::extremes());
}

/// Gateways that both stand behind: one NAT of each kind, and two in a row.
fn commons() -> Vec<Vec<Behavior>> {
    use Hairpinning as H;
    let with = |hairpinning, b: Behavior| Behavior { hairpinning, ..b };
    let firewall = Behavior::public(Filtering::AddressAndPortDependent);
    let each = |b| {
        let one = [H::None, H::ExternalSource, H::InternalSource].map(|h| vec![with(h, b)]);
        let two = [
            vec![with(H::ExternalSource, b), firewall],
            vec![b, with(H::ExternalSource, home(Filtering::EndpointIndependent))],
            vec![b, with(H::InternalSource, home(Filtering::EndpointIndependent))],
        ];
        one.into_iter().chain(two)
    };
    gateways().into_iter().flat_map(each).collect()
}

fn home(filtering: Filtering) -> Behavior {
    Behavior::napt(Mapping::EndpointIndependent, filtering)
}

fn inners() -> Vec<Vec<Behavior>> {
    use Filtering as F;
    let routers = [F::EndpointIndependent, F::AddressAndPortDependent].map(Behavior::public);
    let edm = [
        Behavior::napt(Mapping::AddressDependent, F::EndpointIndependent),
        Behavior::napt(Mapping::AddressAndPortDependent, F::EndpointIndependent),
        Behavior::napt(Mapping::AddressAndPortDependent, F::AddressAndPortDependent),
    ];
    let one = routers.into_iter().chain(F::ALL.map(home)).chain(edm).map(|b| vec![b]);
    [vec![]].into_iter().chain(one).collect()
}

#[test]
fn the_closed_form_agrees_behind_common_gateways() {
    use CandidatePolicy as P;
    // What each side announces: everything, reflexive candidates alone, host candidates alone.
    let announced = [
        [(P::All, true); 2],
        [(P::Srflx, true); 2],
        [(P::All, false), (P::All, true)],
        [(P::Host, false), (P::Srflx, true)],
    ];
    let mut situations = Vec::new();
    for (common, isolated) in commons().into_iter().flat_map(|c| [(c.clone(), false), (c, true)]) {
        let shared = Some(Shared { gateways: common.len(), isolated });
        for (a, b) in pairs(&inners()) {
            for [first, second] in announced {
                let side =
                    |inner: &[Behavior], (policy, stun)| Side { policy, stun, ..Side::new([inner, &common].concat()) };
                situations.push(Situation { shared, ..pair(side(&a, first), side(&b, second)) });
            }
        }
    }
    all_agree(situations.into_iter(), Timing::extremes());
}

/// Every behaviour of the table with a pool of `addresses` that any mapping takes from.
fn pooled(addresses: u8) -> Vec<Behavior> {
    let pool = |(_, b): (String, Behavior)| Behavior { addresses, pooling: Pooling::Arbitrary, ..b };
    behaviors().into_iter().map(pool).filter(|b| b.translation.translates()).collect()
}

/// What is predicted holds whichever addresses are drawn; how many situations were predicted, and how many were not.
fn agree_for_every_draw(situations: impl Iterator<Item = Situation>) -> [usize; 2] {
    let mut counts = [0, 0];
    let mut differences = Vec::new();
    for situation in situations {
        let predicted = predict(&situation);
        counts[usize::from(predicted.is_unpredicted())] += 1;
        for (draw, timing) in Draw::some().flat_map(|draw| Timing::extremes().map(move |timing| (draw, timing))) {
            let found = simulate_with(&situation, timing, draw).outcome;
            if !predicted.is_unpredicted() && !predicted.outcomes.contains(&found) {
                let said = &predicted.outcomes;
                differences.push(format!("{draw:?} {timing:?}: {found:?}, said {said:?}\n  {}", brief(&situation)));
            }
        }
    }
    let some = differences.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differences, among them:\n{some}", differences.len());
    counts
}

#[test]
fn predictions_hold_whichever_address_of_a_pool_a_mapping_gets() {
    let plain: Vec<Behavior> = both_semantics().into_iter().chain([blocked()]).collect();
    let turn = [vec![], vec![Transport::Udp]];
    let equipped = |b: Behavior| {
        turn.iter()
            .flat_map(move |turn| [false, true].map(|stun| Side { stun, turn: turn.clone(), ..Side::new(vec![b]) }))
    };
    for addresses in [2, 200] {
        let pools: Vec<Behavior> = pooled(addresses).into_iter().flat_map(|b| [b, affine(b)]).collect();
        let sides: Vec<Side> = pools.iter().copied().flat_map(equipped).collect();
        let others: Vec<Side> = plain.iter().copied().chain(pools).flat_map(equipped).collect();
        let all = sides.iter().flat_map(|a| others.iter().flat_map(move |b| [(a, b), (b, a)]));
        let [predicted, not] = agree_for_every_draw(all.map(|(a, b)| pair(a.clone(), b.clone())));
        assert!(predicted > not && not > 0, "{addresses} addresses: {predicted} predicted, {not} not");
    }
}

/// A side with a pool needs a relay of its own: the permission at the other side's relay is for another address
/// (diagnosis by address, RFC 8656 §9).
#[test]
fn a_relay_on_the_far_side_of_a_pool_is_not_promised() {
    let symmetric = Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);
    let pool = Behavior { addresses: 4, pooling: Pooling::Arbitrary, ..symmetric };
    let udp = || vec![Transport::Udp];
    let far = pair(with_stun(&[pool]), Side { turn: udp(), ..with_stun(&[symmetric]) });
    let predicted = predict(&far);
    assert!(predicted.is_unpredicted(), "{predicted:?}");
    assert!(predicted.reasons[0].contains("for each mapping"), "{predicted:?}");
    let own = pair(Side { turn: udp(), ..with_stun(&[pool]) }, with_stun(&[symmetric]));
    assert_eq!(predict(&own).outcomes, [ExpectedOutcome::Relayed]);
    let paired = pair(
        with_stun(&[Behavior { pooling: Pooling::Paired, ..pool }]),
        Side { turn: udp(), ..with_stun(&[symmetric]) },
    );
    assert_eq!(predict(&paired).outcomes, [ExpectedOutcome::Relayed]);
}

#[test]
fn a_pool_in_front_of_a_symmetric_nat_makes_it_roam_although_it_is_endpoint_independent() {
    let inner = Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);
    for addresses in [2, 200] {
        let carrier = Behavior { addresses, pooling: Pooling::Arbitrary, ..home(Filtering::EndpointIndependent) };
        let chains = [vec![inner, carrier], vec![home(Filtering::AddressDependent), carrier]];
        let sides: Vec<Side> = chains.iter().map(|c| with_stun(c)).collect();
        let others: Vec<Side> = behaviors().iter().map(|(_, b)| with_stun(&[*b])).collect();
        let relayed = others.iter().map(|o| Side { turn: vec![Transport::Udp], ..o.clone() });
        let others: Vec<Side> = others.iter().cloned().chain(relayed).collect();
        let all = sides.iter().flat_map(|a| others.iter().map(move |b| pair(a.clone(), b.clone())));
        let [predicted, not] = agree_for_every_draw(all);
        assert!(predicted > 0 && not > 0);
    }
}

#[test]
fn the_closed_form_agrees_for_one_to_one_nats() {
    let whole: Vec<Behavior> = Filtering::ALL.map(Behavior::one_to_one).to_vec();
    let chains = whole.iter().map(|b| vec![*b]).chain(pairs(&whole).map(|(a, b)| vec![a, b]));
    let chains = chains.chain(whole.iter().map(|b| vec![home(Filtering::AddressAndPortDependent), *b]));
    let sides: Vec<Side> = chains.flat_map(|c| [with_stun(&c), Side::new(c)]).collect();
    let others: Vec<Side> =
        both_semantics().into_iter().map(|b| with_stun(&[b])).chain(sides.iter().cloned()).collect();
    all_agree(sides.iter().flat_map(|a| others.iter().map(move |b| pair(a.clone(), b.clone()))), Timing::extremes());
    // Both behind the same one, apart from each other: each has an external address of its own, and packets turn around.
    let shared = Some(Shared { gateways: 1, isolated: true });
    let hairpins = [Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource];
    let common = whole.iter().flat_map(|b| hairpins.map(|hairpinning| Behavior { hairpinning, ..*b }));
    all_agree(common.map(|b| Situation { shared, ..pair(with_stun(&[b]), with_stun(&[b])) }), Timing::extremes());
}

/// An axis that cannot be judged is no prediction where it matters, and none of it where it does not.
#[test]
fn ports_and_lifetimes_that_may_not_last_are_no_prediction_where_they_matter() {
    let eim = home(Filtering::AddressAndPortDependent);
    let few = PortRange { first: 40_000, last: 40_007 };
    let doubtful = [
        Behavior { ports: PortAssignment::Sequential, port_range: few, ..eim },
        Behavior { ports: PortAssignment::Random, port_block: Some(8), ..eim },
        Behavior { lifetime_ms: 400, ..eim },
    ];
    for b in doubtful {
        let predicted = predict(&pair(with_stun(&[b]), with_stun(&[eim])));
        assert!(predicted.is_unpredicted(), "{b:?}: {predicted:?}");
        // In one network nothing passes the NAT.
        let shared = Some(Shared { gateways: 1, isolated: false });
        let inside = predict(&Situation { shared, ..pair(with_stun(&[b]), with_stun(&[b])) });
        assert_eq!(inside.outcomes, [ExpectedOutcome::Direct], "{b:?}");
    }
    let lasting = Behavior { port_block: Some(128), lifetime_ms: 30_000, ports: PortAssignment::Random, ..eim };
    assert_eq!(predict(&pair(with_stun(&[lasting]), with_stun(&[eim]))).outcomes, [ExpectedOutcome::Direct]);
}

#[test]
fn a_forward_that_an_agent_may_use_is_no_prediction_where_it_matters() {
    let symmetric = Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);
    let forwarded = Side { forwarded: vec![0], ..with_stun(&[symmetric]) };
    assert!(predict(&pair(forwarded.clone(), with_stun(&[symmetric]))).is_unpredicted());
    let open = with_stun(&[home(Filtering::EndpointIndependent)]);
    assert_eq!(predict(&pair(forwarded, open)).outcomes, [ExpectedOutcome::Direct]);
}

/// The table of docs/oracle.md: types of both ends where the path is direct; otherwise `-` where no semantics open one,
/// `a` where reply affinity does, `?` where it does if packets come in the right order.
#[test]
fn the_prediction_matrix() {
    let behaviors = behaviors();
    let letter = |kind| match kind {
        CandidateType::Host => 'h',
        CandidateType::ServerReflexive => 's',
        CandidateType::PeerReflexive => 'p',
        CandidateType::Relayed => 'r',
    };
    let cell = |a: Behavior, b: Behavior| {
        let strict = pair(with_stun(&[a]), with_stun(&[b]));
        if predict(&strict).outcomes == [ExpectedOutcome::Direct] {
            let found = simulate(&strict, Timing { first: OfferRole::Offerer, skew: 0 });
            return found.types.unwrap().map(letter).iter().collect();
        }
        let loose = predict(&pair(with_stun(&[affine(a)]), with_stun(&[affine(b)])));
        match (loose.outcomes.contains(&ExpectedOutcome::Direct), loose.racy) {
            (true, true) => "?".to_owned(),
            (true, false) => "a".to_owned(),
            (false, _) => "-".to_owned(),
        }
    };
    let row = |first: &str, cells: Vec<String>| {
        cells.iter().fold(format!("{first:<10}"), |row, cell| format!("{row} {cell:<9}")).trim_end().to_owned() + "\n"
    };
    let head = row("", behaviors.iter().map(|(name, _)| name.clone()).collect());
    let rows = behaviors.iter().map(|(name, a)| row(name, behaviors.iter().map(|(_, b)| cell(*a, *b)).collect()));
    insta::assert_snapshot!(head + &rows.collect::<String>());
}

/// Counts that were found with kernel NATs: 57 of 81 direct with reply affinity, 42 strict.
#[test]
fn as_many_pairs_are_direct_as_were_measured() {
    let nats: Vec<Behavior> = behaviors().into_iter().map(|(_, b)| b).skip(2).collect();
    let count = |semantics: fn(Behavior) -> Behavior| {
        let sides: Vec<Side> = nats.iter().map(|b| with_stun(&[semantics(*b)])).collect();
        let predictions = pairs(&sides).map(|(a, b)| predict(&pair(a, b)));
        let direct: Vec<_> = predictions.filter(|p| p.outcomes.contains(&ExpectedOutcome::Direct)).collect();
        (direct.len(), direct.iter().filter(|p| p.racy).count())
    };
    assert_eq!(count(|b| b), (42, 0));
    assert_eq!(count(affine), (57, 4));
}
